package xds

import (
	"fmt"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// ListenerProbes is the listener of sluice.ProbePort.
const ListenerProbes = "sluice_probes"

// grpcHealth is what the kubelet calls.
const grpcHealth = "/grpc.health.v1.Health/Check"

// Where the text of a bootstrap has its lists; its keys are sorted.
const (
	startOfClusters  = `"static_resources":{"clusters":[`
	startOfListeners = `"listeners":[`
)

// WithProbes adds the listener of a pod's probes to the text of a bootstrap that was made with the same config. The rest
// of the text is the same for many pods, and so is made once.
func WithProbes(bootstrap string, probes []sluice.Probe, c BootstrapConfig) (string, error) {
	if len(probes) == 0 {
		return bootstrap, nil
	}
	listener, err := probeListener(probes, c)
	if err != nil {
		return "", fmt.Errorf("add probes to a bootstrap: %w", err)
	}
	text, err := JSON(listener)
	if err != nil {
		return "", fmt.Errorf("add probes to a bootstrap: %w", err)
	}
	var clusters strings.Builder
	clusters.WriteString(startOfClusters)
	seen := map[string]bool{}
	for _, p := range probes {
		cluster := probeCluster(p)
		if seen[cluster.GetName()] {
			continue
		}
		seen[cluster.GetName()] = true
		text, err := JSON(cluster)
		if err != nil {
			return "", fmt.Errorf("add probes to a bootstrap: %w", err)
		}
		clusters.Write(text)
		clusters.WriteByte(',')
	}
	out := strings.Replace(bootstrap, startOfClusters, clusters.String(), 1)
	// The first listener of all is a static resource: dynamic ones are not in a bootstrap.
	return strings.Replace(out, startOfListeners, startOfListeners+strings.ReplaceAll(string(text), "$", "$$")+",", 1), nil
}

// probeListener passes on exactly the probes: everything else on the port gets 404, so that it opens no way around TLS.
func probeListener(probes []sluice.Probe, c BootstrapConfig) (*listenerv3.Listener, error) {
	filters, err := httpFilters(named("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}))
	if err != nil {
		return nil, err
	}
	host := &routev3.VirtualHost{Name: ListenerProbes, Domains: []string{"*"}}
	for _, p := range probes {
		host.Routes = append(host.Routes, probeRoute(p))
	}
	manager, err := typed(&hcmv3.HttpConnectionManager{
		StatPrefix:                 ListenerProbes,
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
		GenerateRequestId:          wrapperspb.Bool(false),
		HttpFilters:                filters,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
			Name: ListenerProbes, VirtualHosts: []*routev3.VirtualHost{host},
		}},
	})
	if err != nil {
		return nil, err
	}
	l := &listenerv3.Listener{
		Name:       ListenerProbes,
		StatPrefix: ListenerProbes,
		Address:    socket("0.0.0.0", c.withDefaults().ProbePort),
		// An application that is asked to stop is still alive.
		DrainType:             listenerv3.Listener_MODIFY_ONLY,
		IgnoreGlobalConnLimit: true,
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}
	if c.IPv6 {
		l.AdditionalAddresses = []*listenerv3.AdditionalAddress{{Address: socket("::", c.withDefaults().ProbePort)}}
	}
	return l, nil
}

func probeRoute(p sluice.Probe) *routev3.Route {
	path, method := p.Path, "GET"
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: probeClusterName(p)},
		Timeout:          durationpb.New(0), // the kubelet's counts
		PrefixRewrite:    p.Target,
	}
	if p.GRPC {
		path, method, action.PrefixRewrite = grpcHealth, "POST", ""
	}
	return &routev3.Route{
		Match: &routev3.RouteMatch{
			PathSpecifier: &routev3.RouteMatch_Path{Path: path}, Headers: []*routev3.HeaderMatcher{hasMethod(method)},
		},
		Action: &routev3.Route_Route{Route: action},
		// The kubelet would follow a redirection to this port, which knows nothing else. Without the header it takes
		// the answer for what it is, a success.
		ResponseHeadersToRemove: []string{"location"},
	}
}

// probeCluster is the application. A certificate is not checked, as the kubelet checks none.
func probeCluster(p sluice.Probe) *clusterv3.Cluster {
	name := probeClusterName(p)
	c := &clusterv3.Cluster{
		Name:                 name,
		ConnectTimeout:       durationpb.New(localConnectTimeout),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment:       oneEndpoint(name, socket(localhost, uint32(p.Port))),
	}
	if p.GRPC {
		c.TypedExtensionProtocolOptions = upstreamProtocol(mesh.GRPC)
	}
	if p.TLS {
		c.TransportSocket = &corev3.TransportSocket{
			Name:       "envoy.transport_sockets.tls",
			ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: mustPack(&tlsv3.UpstreamTlsContext{})},
		}
	}
	return c
}

func probeClusterName(p sluice.Probe) string {
	protocol := "http"
	switch {
	case p.GRPC:
		protocol = "grpc"
	case p.TLS:
		protocol = "https"
	}
	return fmt.Sprintf("sluice_probe_%s_%d", protocol, p.Port)
}
