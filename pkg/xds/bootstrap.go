package xds

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Names inside the bootstrap. Statistics carry them.
const (
	// ClusterXDS is Envoy's cluster for mesh.
	ClusterXDS = "sluice_xds"
	// ClusterAdmin is Envoy's cluster for its own admin socket.
	ClusterAdmin = "sluice_admin"
	// ListenerStats is the listener of sluice.StatsPort.
	ListenerStats = "sluice_stats"
)

// BootstrapConfig is what differs between installations.
type BootstrapConfig struct {
	// Host and Port are where mesh serves xDS. The host is a DNS name that Envoy resolves to all replicas.
	Host string
	Port uint32
	// ServerName is the name that mesh's certificate must have; Host if empty.
	ServerName string
	// AdminSocket is the path of the admin socket; sluice.AdminSocket if empty.
	AdminSocket string
	// ProxyDir is where Envoy finds its token, the CA and the two SDS files; sluice.ProxyDir if empty.
	ProxyDir string
	// StatsPort of the read-only listener; sluice.StatsPort if 0.
	StatsPort uint32
	// ProbePort of the listener that Probes adds; sluice.ProbePort if 0.
	ProbePort uint32
	// IPv6 says that pods have IPv6 addresses, on which StatsPort then answers, too.
	IPv6 bool
	// SDSSocket is the Unix socket of the machine's secret discovery service, which certificates by sds come from.
	// Empty leaves its cluster out, and connections that need such a certificate fail.
	SDSSocket string

	// Gateway says that the proxy is a virtual gateway's.
	Gateway bool
	// StatsTags labels every statistic with the mesh and the virtual node or gateway.
	StatsTags bool
	// Statsd is the way to a DogStatsD daemon, if there is one.
	Statsd sluice.Statsd
	// Tracer is where spans go, if anywhere, and TracingSampling the share of requests that start a trace, from 0 to 1.
	Tracer          sluice.Tracer
	TracingSampling float64
}

func (c BootstrapConfig) withDefaults() BootstrapConfig {
	if c.ServerName == "" {
		c.ServerName = c.Host
	}
	if c.AdminSocket == "" {
		c.AdminSocket = sluice.AdminSocket
	}
	if c.ProxyDir == "" {
		c.ProxyDir = sluice.ProxyDir
	}
	if c.StatsPort == 0 {
		c.StatsPort = sluice.StatsPort
	}
	if c.ProbePort == 0 {
		c.ProbePort = sluice.ProbePort
	}
	return c
}

// Bootstrap returns the text that Envoy starts with: JSON on one line, which --config-yaml takes, the same bytes for
// the same config. Nothing that rotates is in it, and neither is the node, which comes with --service-node.
//
// The text is an argument of a container: $(NAME) is one of the variables in package sluice, and $$ a dollar.
func Bootstrap(config BootstrapConfig) ([]byte, error) {
	if config.Host == "" || config.Port == 0 {
		return nil, errors.New("make bootstrap: the host and port of mesh are needed")
	}
	c := config.withDefaults()
	listener, err := statsListener(c)
	if err != nil {
		return nil, fmt.Errorf("make bootstrap: %w", err)
	}
	upstream, err := xdsCluster(c)
	if err != nil {
		return nil, fmt.Errorf("make bootstrap: %w", err)
	}
	b := &bootstrapv3.Bootstrap{
		Admin: &bootstrapv3.Admin{Address: pipe(c.AdminSocket)},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Listeners: []*listenerv3.Listener{listener},
			Clusters:  []*clusterv3.Cluster{upstream, adminCluster(c)},
		},
		DynamicResources: &bootstrapv3.Bootstrap_DynamicResources{
			AdsConfig: xdsService(corev3.ApiConfigSource_DELTA_GRPC),
			LdsConfig: overADS(),
			CdsConfig: overADS(),
		},
		// The stream on which mesh asks for the load of clusters, if ever it wants to know. Until then it is silent.
		ClusterManager: &bootstrapv3.ClusterManager{LoadStatsConfig: xdsService(corev3.ApiConfigSource_GRPC)},
		LayeredRuntime: runtime(c),
		// Histograms and the uptime move only at a flush: whoever judges every second must not look five seconds back.
		StatsFlushInterval: durationpb.New(time.Second),
	}
	if c.SDSSocket != "" {
		b.StaticResources.Clusters = append(b.StaticResources.Clusters, sdsCluster(c.SDSSocket))
	}
	if b.OverloadManager, err = connectionLimit(); err != nil {
		return nil, fmt.Errorf("make bootstrap: %w", err)
	}
	if err := addTelemetry(b, c); err != nil {
		return nil, fmt.Errorf("make bootstrap: %w", err)
	}
	text, err := JSON(b)
	if err != nil {
		return nil, fmt.Errorf("make bootstrap: %w", err)
	}
	return []byte(expandable.Replace(string(text))), nil
}

// JSON writes a message of Envoy's API on one line, with the names of its documentation, the same bytes for the same
// content: protojson varies its spacing on purpose, so its text is read and written again; keys come out sorted.
func JSON(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func xdsService(kind corev3.ApiConfigSource_ApiType) *corev3.ApiConfigSource {
	return &corev3.ApiConfigSource{
		ApiType:                   kind,
		TransportApiVersion:       corev3.ApiVersion_V3,
		SetNodeOnFirstMessageOnly: true,
		GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
				ClusterName: ClusterXDS,
				// Envoy's own 30 s between attempts would leave proxies behind for that long after mesh restarted.
				RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
					BaseInterval: durationpb.New(xdsReconnect), MaxInterval: durationpb.New(xdsReconnectMax),
				}},
			},
		}}},
	}
}

// overADS waits for the first answer without a limit. With Envoy's own 15 s a proxy would turn live, and its pod
// ready, with no listener at all.
func overADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   durationpb.New(0),
	}
}

// anySize lifts Envoy's limit on the size of a regular expression, 100 unless something else is said: what is sent was
// measured before, and an expression that Envoy refused would cost its proxy all routes.
const anySize = 1_000_000

func runtime(c BootstrapConfig) *bootstrapv3.LayeredRuntime {
	values := map[string]*structpb.Value{"re2.max_program_size.error_level": structpb.NewNumberValue(anySize)}
	if c.Tracer != "" {
		values["tracing.random_sampling"] = sampling(c.TracingSampling)
	}
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
		Name:           "static",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{Fields: values}},
	}}}
}

// maxConnections is more than a pod can use. Envoy warns at every start of a proxy without a limit.
const maxConnections = 100_000

func connectionLimit() (*overloadv3.OverloadManager, error) {
	config, err := typed(&connectionsv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: maxConnections})
	if err != nil {
		return nil, err
	}
	return &overloadv3.OverloadManager{ResourceMonitors: []*overloadv3.ResourceMonitor{{
		Name:       "envoy.resource_monitors.global_downstream_max_connections",
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: config},
	}}}, nil
}

func pipe(path string) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}}
}

func socket(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

func oneEndpoint(cluster string, address *corev3.Address) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: cluster,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		}}}},
	}
}

func adminCluster(c BootstrapConfig) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 ClusterAdmin,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       durationpb.New(time.Second),
		LoadAssignment:       oneEndpoint(ClusterAdmin, pipe(c.AdminSocket)),
	}
}

// sdsCluster reaches the secret discovery service of the machine. Without that, Envoy knocks in vain and serves what
// needs no secret of it.
func sdsCluster(path string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                          mesh.SDSCluster,
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:                durationpb.New(time.Second),
		LoadAssignment:                oneEndpoint(mesh.SDSCluster, pipe(path)),
		TypedExtensionProtocolOptions: http2Only,
	}
}

// typed wraps a message for the extension points of Envoy.
func typed(m proto.Message) (*anypb.Any, error) {
	a, err := anypb.New(m)
	if err != nil {
		return nil, fmt.Errorf("wrap %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return a, nil
}
