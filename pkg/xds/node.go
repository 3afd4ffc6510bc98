package xds

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// node adds what a sidecar needs: the way in, to its application, and the way out, to its backends.
func (t *translation) node(n *mesh.Node) {
	if len(n.Ingress) > 0 {
		t.out.Listeners = append(t.out.Listeners, t.ingress(n))
	}
	t.out.Listeners = append(t.out.Listeners, t.egress(n))
}

// ingress takes what was redirected to the sidecar; the original destination's port says which application port it is.
func (t *translation) ingress(n *mesh.Node) *listenerv3.Listener {
	out := &listenerv3.Listener{
		Name:             mesh.IngressListenerName,
		TrafficDirection: corev3.TrafficDirection_INBOUND,
		ListenerFilters:  []*listenerv3.ListenerFilter{t.originalDestination()},
	}
	t.listenOn(out, n.Addresses, sluice.IngressPort)
	t.inspect(out, n.Ingress)
	for _, p := range n.Ingress {
		t.add(ingressCluster(p))
		statPrefix := "ingress"
		if len(n.Ingress) > 1 {
			statPrefix = fmt.Sprintf("ingress.%s.%d", p.Protocol, p.Port)
		}
		var filter *listenerv3.Filter
		if p.Protocol.IsHTTP() {
			name := mesh.IngressRouteName(p.Protocol, p.Port)
			filter = t.connectionManager(httpConnections{statPrefix: statPrefix, routes: name, log: n.AccessLog, healthPaths: p.HealthPaths})
			t.out.Routes = append(t.out.Routes, ingressRoutes(name, p))
		} else {
			filter = t.tcpProxy(tcpConnections{statPrefix: statPrefix, targets: []mesh.Target{{Cluster: p.Cluster, Weight: 1}}, idle: &p.Idle, log: n.AccessLog})
		}
		chain := portChain(fmt.Sprintf("ingress_%d", p.Port), p.Port, filter)
		out.FilterChains = append(out.FilterChains, t.secured(chain, p.TLS, p.Protocol)...)
	}
	return out
}

// ingressRoutes leads everything to the application. Nothing is retried: the caller's sidecar does that, on another pod.
func ingressRoutes(name string, p mesh.IngressPort) *routev3.RouteConfiguration {
	route := mesh.Route{Match: mesh.Match{Prefix: "/"}, Targets: []mesh.Target{{Cluster: p.Cluster, Weight: 1}}, Timeout: p.Timeout, Idle: p.Idle}
	return &routev3.RouteConfiguration{Name: name, VirtualHosts: []*routev3.VirtualHost{{
		Name: p.Cluster, Domains: []string{"*"}, Routes: routesOf([]mesh.Route{route}),
	}}}
}

// egress takes what the application sends. Each chain stands for a port of the backends; what fits none goes where it
// was going, or, under DROP_ALL, is reset.
func (t *translation) egress(n *mesh.Node) *listenerv3.Listener {
	out := &listenerv3.Listener{
		Name:             mesh.EgressListenerName,
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
		ListenerFilters:  []*listenerv3.ListenerFilter{t.originalDestination(), t.tlsInspector(amazonPort)},
	}
	t.listenOn(out, n.Addresses, sluice.EgressPort)
	for _, p := range n.Egress {
		var filter *listenerv3.Filter
		if p.Protocol.IsHTTP() {
			name := mesh.EgressRouteName(p.Protocol, p.Port)
			filter = t.connectionManager(httpConnections{statPrefix: "egress", routes: name, log: n.AccessLog})
			t.out.Routes = append(t.out.Routes, t.egressRoutes(name, n, p))
		} else {
			filter = t.egressTCP(n, p)
		}
		if filter != nil {
			out.FilterChains = append(out.FilterChains, portChain(chainName(p.Port), p.Port, filter))
		}
	}
	out.FilterChains = append(out.FilterChains, t.amazonChain(n))
	if n.AllowAll {
		name := mesh.PassthroughCluster(n.Mesh)
		t.add(passthroughCluster(name))
		out.DefaultFilterChain = &listenerv3.FilterChain{Name: "egress_passthrough", Filters: []*listenerv3.Filter{
			t.tcpProxy(tcpConnections{statPrefix: "egress_passthrough", targets: []mesh.Target{{Cluster: name, Weight: 1}}, log: n.AccessLog}),
		}}
	}
	return out
}

// chainName names the chain of an egress port.
func chainName(port uint32) string { return fmt.Sprintf("egress_%d", port) }

// amazonPort is the port on which *.amazonaws.com passes whatever the egress filter says, as it did in App Mesh.
const amazonPort = 443

func (t *translation) amazonChain(n *mesh.Node) *listenerv3.FilterChain {
	name := mesh.AmazonCluster(n.Mesh)
	t.add(passthroughCluster(name))
	return &listenerv3.FilterChain{
		Name: "egress_amazonaws",
		FilterChainMatch: &listenerv3.FilterChainMatch{
			DestinationPort: wrapperspb.UInt32(amazonPort), ServerNames: []string{"*.amazonaws.com"},
		},
		Filters: []*listenerv3.Filter{t.tcpProxy(tcpConnections{
			statPrefix: "egress_amazonaws", targets: []mesh.Target{{Cluster: name, Weight: 1}}, log: n.AccessLog,
		})},
	}
}

// egressTCP leads a port to the only service on it; nil if nobody answers for that. The port then is an unknown one.
func (t *translation) egressTCP(n *mesh.Node, p mesh.EgressPort) *listenerv3.Filter {
	if len(p.Hosts) == 0 {
		return nil
	}
	service := t.service(p.Hosts[0].Service)
	if service == nil {
		return nil
	}
	port := service.Port(p.Port)
	if port == nil || len(port.Routes) == 0 || totalWeight(port.Routes[0].Targets) == 0 {
		return nil
	}
	t.reach(port.Routes[:1])
	route := port.Routes[0]
	return t.tcpProxy(tcpConnections{statPrefix: "egress", targets: route.Targets, idle: &route.Idle, log: n.AccessLog})
}

// egressRoutes holds a virtual host per service on the port.
func (t *translation) egressRoutes(name string, n *mesh.Node, p mesh.EgressPort) *routev3.RouteConfiguration {
	out := &routev3.RouteConfiguration{Name: name}
	everyHost := false
	for _, host := range p.Hosts {
		service := t.service(host.Service)
		if service == nil {
			continue
		}
		vhost := &routev3.VirtualHost{Name: service.Name, Domains: host.Domains}
		for _, d := range host.Domains {
			everyHost = everyHost || d == "*"
		}
		if port := service.Port(p.Port); port != nil {
			t.reach(port.Routes)
			vhost.Routes = routesOf(port.Routes)
		}
		out.VirtualHosts = append(out.VirtualHosts, vhost)
	}
	// Under DROP_ALL an unknown host on a known port gets Envoy's own 404.
	if n.AllowAll && !everyHost {
		out.VirtualHosts = append(out.VirtualHosts, passthroughHost(mesh.PassthroughCluster(n.Mesh)))
	}
	return out
}

func (t *translation) service(id mesh.ObjectRef) *mesh.Service {
	s := t.model.Service(id)
	if s == nil {
		t.errs = append(t.errs, fmt.Errorf("an egress port leads to %s, which the model does not have", id))
	}
	return s
}
