package xds

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tls_inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"github.com/envoyproxy/go-control-plane/pkg/wellknown"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// gateway adds what a gateway's proxy needs. Its pods are not redirected, so there is no way out but through its routes.
func (t *translation) gateway(g *mesh.Gateway) {
	for _, l := range g.Listeners {
		statPrefix := "ingress"
		if len(g.Listeners) > 1 {
			statPrefix = fmt.Sprintf("ingress.%s.%d", l.Protocol, l.Port)
		}
		name := mesh.IngressRouteName(l.Protocol, l.Port)
		listener := &listenerv3.Listener{
			Name:             mesh.GatewayListenerName(l.Port),
			TrafficDirection: corev3.TrafficDirection_INBOUND,
			FilterChains: t.secured(&listenerv3.FilterChain{
				Name: fmt.Sprintf("ingress_%d", l.Port),
				Filters: []*listenerv3.Filter{
					t.connectionManager(httpConnections{statPrefix: statPrefix, routes: name, log: g.AccessLog, edge: true}),
				},
			}, l.TLS, l.Protocol),
		}
		if l.TLS != nil && l.TLS.Mode == mesh.TLSPermissive {
			// Clients of HTTP speak first, so it may look at every connection.
			listener.ListenerFilters = []*listenerv3.ListenerFilter{{
				Name:       wellknown.TlsInspector,
				ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: t.pack(&tls_inspectorv3.TlsInspector{})},
			}}
		}
		t.listenOn(listener, g.Addresses, l.Port)
		t.out.Listeners = append(t.out.Listeners, listener)
		t.out.Routes = append(t.out.Routes, t.gatewayRoutes(name, l))
	}
	t.limitGateway(g)
}

func (t *translation) gatewayRoutes(name string, l mesh.GatewayListener) *routev3.RouteConfiguration {
	// The port in a request is that of a load balancer, a node or a port-forward: it says nothing about the host.
	out := &routev3.RouteConfiguration{Name: name, IgnorePortInHostMatching: true}
	for _, host := range l.Hosts {
		t.reach(host.Routes)
		out.VirtualHosts = append(out.VirtualHosts, &routev3.VirtualHost{
			Name: host.Domains[0], Domains: host.Domains, Routes: routesOf(host.Routes),
		})
	}
	return out
}
