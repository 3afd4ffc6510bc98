package xds

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// Probes puts the listener of a pod's probes into the text of its bootstrap. Its parts are texts that were made once,
// because making them costs more than all the rest of an admission.
type Probes struct {
	// beforeRoutes and behindRoutes are the listener.
	beforeRoutes, behindRoutes string
	// routes and clusters have one of each kind, of the probe that its sample has.
	routes, clusters map[probeKind]string
}

// probeKind is what routes and clusters of probes differ in.
type probeKind struct{ tls, grpc bool }

// What a sample has where a probe has its own.
const (
	samplePath   = "/@path"
	sampleTarget = "/@target"
	samplePort   = 2_000_000_000 // no real port is that high
)

// NewProbes makes the parts for bootstraps of the config.
func NewProbes(c BootstrapConfig) (*Probes, error) {
	p := &Probes{routes: map[probeKind]string{}, clusters: map[probeKind]string{}}
	for _, kind := range []probeKind{{}, {tls: true}, {grpc: true}} {
		sample := sluice.Probe{Path: samplePath, Port: samplePort, Target: sampleTarget, TLS: kind.tls, GRPC: kind.grpc}
		listener, err := probeListener(sample, c)
		if err != nil {
			return nil, fmt.Errorf("make the listener of probes: %w", err)
		}
		route, errRoute := JSON(probeRoute(sample))
		cluster, errCluster := JSON(probeCluster(sample))
		text, err := JSON(listener)
		if err := errors.Join(err, errRoute, errCluster); err != nil {
			return nil, fmt.Errorf("make the listener of probes: %w", err)
		}
		found := false
		if p.beforeRoutes, p.behindRoutes, found = strings.Cut(string(text), string(route)); !found {
			return nil, errors.New("make the listener of probes: its text does not have the text of its route")
		}
		p.routes[kind], p.clusters[kind] = string(route), string(cluster)
	}
	return p, nil
}

// AddTo gives the text of a bootstrap with the listener, if there is a probe.
func (p *Probes) AddTo(bootstrap string, probes []sluice.Probe) string {
	if len(probes) == 0 {
		return bootstrap
	}
	var routes, clusters []string
	for _, probe := range probes {
		kind := probeKind{tls: probe.TLS, grpc: probe.GRPC}
		port := strconv.Itoa(int(probe.Port))
		// The target last, because it may contain anything.
		route := strings.ReplaceAll(p.routes[kind], strconv.Itoa(samplePort), port)
		route = strings.Replace(route, samplePath, quoted(probe.Path), 1)
		routes = append(routes, strings.Replace(route, sampleTarget, quoted(probe.Target), 1))
		if cluster := strings.ReplaceAll(p.clusters[kind], strconv.Itoa(samplePort), port); !slices.Contains(clusters, cluster) {
			clusters = append(clusters, cluster)
		}
	}
	// The clusters of a bootstrap stand right before its first listeners: dynamic ones are not in it.
	head, rest, _ := strings.Cut(bootstrap, startOfClusters)
	middle, tail, _ := strings.Cut(rest, startOfListeners)
	return strings.Join([]string{
		head, startOfClusters, strings.Join(clusters, ","), ",", middle, startOfListeners,
		p.beforeRoutes, strings.Join(routes, ","), p.behindRoutes, ",", tail,
	}, "")
}

// quoted is the inside of a JSON string, as an argument of a container.
func quoted(s string) string {
	text, _ := json.Marshal(s) // a string has a text
	return strings.ReplaceAll(string(text[1:len(text)-1]), "$", "$$")
}

// probeListener passes on exactly the probe: everything else on the port gets 404, so that it opens no way around TLS.
func probeListener(p sluice.Probe, c BootstrapConfig) (*listenerv3.Listener, error) {
	filters, err := httpFilters(named("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}))
	if err != nil {
		return nil, err
	}
	host := &routev3.VirtualHost{Name: ListenerProbes, Domains: []string{"*"}, Routes: []*routev3.Route{probeRoute(p)}}
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
