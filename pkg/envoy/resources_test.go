package envoy

import (
	"cmp"
	"net"
	"path/filepath"
	"strconv"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/xds"
)

// split describes a configuration of one listener that spreads its requests over EDS clusters.
type split struct {
	port    int
	weights map[string]uint32
	// backends are the addresses of the clusters, also of those without a weight.
	backends map[string]string
	// table is the name of the route table; "routes" if empty.
	table string
	// maxRequests changes a cluster but not its endpoints.
	maxRequests uint32
	// trust is where the clusters that speak TLS find ca.crt, by their names.
	trust map[string]string
}

func pack(m proto.Message) *anypb.Any {
	out, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return out
}

func fromADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion: corev3.ApiVersion_V3, InitialFetchTimeout: durationpb.New(0),
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
}

func socket(host string, port int) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}

func (s split) resources() *xds.Resources {
	return &xds.Resources{
		Listeners: []*listenerv3.Listener{s.listener()},
		Routes:    []*routev3.RouteConfiguration{s.route()},
		Clusters:  s.clusters(),
		Endpoints: s.endpoints(),
		Secrets:   s.secrets(),
	}
}

// secrets holds one per cluster that speaks TLS, of its name.
func (s split) secrets() []*tlsv3.Secret {
	var out []*tlsv3.Secret
	for _, name := range sortedNames(s.trust) {
		out = append(out, &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: filename(s.trust[name], "ca.crt"), WatchedDirectory: &corev3.WatchedDirectory{Path: s.trust[name]},
		}}})
	}
	return out
}

func filename(dir, name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: filepath.Join(dir, name)}}
}

func tlsSocket(context proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: "tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: pack(context)}}
}

func (s split) listener() *listenerv3.Listener {
	manager := pack(&hcmv3.HttpConnectionManager{
		StatPrefix:     "web",
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: cmp.Or(s.table, "routes"), ConfigSource: fromADS()}},
		HttpFilters:    []*hcmv3.HttpFilter{{Name: "router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(&routerv3.Router{})}}},
	})
	return &listenerv3.Listener{
		Name: "web", Address: socket("127.0.0.1", s.port),
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "http", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}
}

func (s split) route() *routev3.RouteConfiguration {
	weighted := &routev3.WeightedCluster{}
	for _, name := range sortedNames(s.weights) {
		weighted.Clusters = append(weighted.Clusters, &routev3.WeightedCluster_ClusterWeight{Name: name, Weight: wrapperspb.UInt32(s.weights[name])})
	}
	return &routev3.RouteConfiguration{
		Name: cmp.Or(s.table, "routes"),
		VirtualHosts: []*routev3.VirtualHost{{
			Name: "web", Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{
					ClusterSpecifier: &routev3.RouteAction_WeightedClusters{WeightedClusters: weighted},
				}},
			}},
		}},
	}
}

func (s split) clusters() []*clusterv3.Cluster {
	var out []*clusterv3.Cluster
	for _, name := range sortedNames(s.backends) {
		c := &clusterv3.Cluster{
			Name: name, ConnectTimeout: durationpb.New(time.Second),
			ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
			EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: fromADS()},
		}
		if s.trust[name] != "" {
			c.TransportSocket = tlsSocket(&tlsv3.UpstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
				ValidationContextType: &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
					ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: name, SdsConfig: fromADS()},
				},
			}})
		}
		if s.maxRequests > 0 {
			c.CircuitBreakers = &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{MaxRequests: wrapperspb.UInt32(s.maxRequests)}}}
		}
		out = append(out, c)
	}
	return out
}

func (s split) endpoints() []*endpointv3.ClusterLoadAssignment {
	var out []*endpointv3.ClusterLoadAssignment
	for _, name := range sortedNames(s.backends) {
		host, port, _ := net.SplitHostPort(s.backends[name])
		n, _ := strconv.Atoi(port)
		out = append(out, &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: socket(host, n)}},
			}}}},
		})
	}
	return out
}
