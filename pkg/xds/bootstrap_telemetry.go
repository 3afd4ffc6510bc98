package xds

import (
	"fmt"
	"math"
	"strings"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Clusters of collectors. The names are those of App Mesh's proxies, where it had any.
const (
	clusterJaeger        = "jaeger"
	clusterDatadog       = "datadog_agent"
	clusterOpenTelemetry = "opentelemetry"
)

// collectorConnect bounds a connection to a collector. Spans are dropped rather than kept for one that is away.
const collectorConnect = time.Second

// addTelemetry adds who is told what the proxy sees.
func addTelemetry(b *bootstrapv3.Bootstrap, c BootstrapConfig) error {
	b.StatsConfig = &metricsv3.StatsConfig{StatsTags: statsTags(c)}
	if c.Statsd != "" {
		sink, err := statsdSink(c.Statsd)
		if err != nil {
			return err
		}
		b.StatsSinks = append(b.StatsSinks, sink)
	}
	if c.Tracer == "" {
		return nil
	}
	tracer, cluster, err := tracing(c.Tracer)
	if err != nil {
		return err
	}
	b.StaticResources.Clusters = append(b.StaticResources.Clusters, cluster)
	// Envoy calls this field deprecated, and there is no other way for one listener, which many pods share, to report to a
	// collector that each of them finds in its own environment.
	b.Tracing = &tracev3.Tracing{Http: tracer} //nolint:staticcheck // see above
	return nil
}

// statsTags turn parts of names into labels. With a number of listeners the names of their statistics contain protocol
// and port, ingress.http.8080, which tools find as App Mesh's labels.
func statsTags(c BootstrapConfig) []*metricsv3.TagSpecifier {
	var tags []*metricsv3.TagSpecifier
	if c.StatsTags {
		kind := "appmesh.virtual_node"
		if c.Gateway {
			kind = "appmesh.virtual_gateway"
		}
		for _, t := range []struct{ name, value string }{{"appmesh.mesh", variable(sluice.EnvMesh)}, {kind, variable(sluice.EnvProxy)}} {
			tags = append(tags, &metricsv3.TagSpecifier{TagName: t.name, TagValue: &metricsv3.TagSpecifier_FixedValue{FixedValue: t.value}})
		}
	}
	for _, t := range []struct{ name, regex string }{
		{"appmesh.listener_protocol", `.*?\.ingress\.((\w+?)\.)[0-9]+?\.(.+?)$`},
		{"appmesh.listener_port", `.*?\.ingress\.\w+?\.(([0-9]+?)\.)(.+?)$`},
		{"envoy_rds_route_config", `.*?\.ingress\.\w+?\.[0-9]+?\.rds\.((.*?)\.)(.+?)$`},
	} {
		tags = append(tags, &metricsv3.TagSpecifier{TagName: t.name, TagValue: &metricsv3.TagSpecifier_Regex{Regex: t.regex}})
	}
	return tags
}

func statsdSink(way sluice.Statsd) (*metricsv3.StatsSink, error) {
	var address *corev3.Address
	switch way {
	case sluice.StatsdSocket:
		address = pipe(variable(sluice.EnvStatsdSocketPath))
	case sluice.StatsdUDP:
		address = socket(variable(sluice.EnvStatsdAddress), portStatsd)
		address.GetSocketAddress().Protocol = corev3.SocketAddress_UDP
	default:
		return nil, fmt.Errorf("there is no way %q to a DogStatsD daemon", way)
	}
	config, err := typed(&metricsv3.DogStatsdSink{DogStatsdSpecifier: &metricsv3.DogStatsdSink_Address{Address: address}})
	if err != nil {
		return nil, err
	}
	return &metricsv3.StatsSink{Name: "envoy.stat_sinks.dog_statsd", ConfigType: &metricsv3.StatsSink_TypedConfig{TypedConfig: config}}, nil
}

// tracing gives the tracer of all listeners and the cluster that it reports to.
func tracing(t sluice.Tracer) (*tracev3.Tracing_Http, *clusterv3.Cluster, error) {
	var config proto.Message
	var c *clusterv3.Cluster
	name := "envoy.tracers." + string(t)
	switch t {
	case sluice.TracerJaeger:
		name = "envoy.tracers.zipkin"
		c = collectorCluster(clusterJaeger, socket(variable(sluice.EnvJaegerAddress), portJaeger))
		config = &tracev3.ZipkinConfig{
			CollectorCluster: clusterJaeger, CollectorEndpoint: "/api/v2/spans", CollectorEndpointVersion: tracev3.ZipkinConfig_HTTP_JSON,
			// Each hop is a span of its own, as in App Mesh.
			SharedSpanContext: wrapperspb.Bool(false), TraceId_128Bit: true,
		}
	case sluice.TracerDatadog:
		c = collectorCluster(clusterDatadog, socket(variable(sluice.EnvDatadogAddress), portDatadog))
		config = &tracev3.DatadogConfig{CollectorCluster: clusterDatadog, ServiceName: variable(sluice.EnvDatadogService)}
	case sluice.TracerOpenTelemetry:
		c = collectorCluster(clusterOpenTelemetry, socket(variable(sluice.EnvOpenTelemetryAddress), portOpenTelemetry))
		options, err := typed(&httpv3.HttpProtocolOptions{UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}},
			},
		}})
		if err != nil {
			return nil, nil, err
		}
		c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpProtocolOptions: options}
		config = &tracev3.OpenTelemetryConfig{
			GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: clusterOpenTelemetry},
			}},
			ServiceName: variable(sluice.EnvOpenTelemetryService),
		}
	default:
		return nil, nil, fmt.Errorf("there is no tracer %q", t)
	}
	packed, err := typed(config)
	if err != nil {
		return nil, nil, err
	}
	return &tracev3.Tracing_Http{Name: name, ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed}}, c, nil
}

// collectorCluster is resolved without end, and nothing waits for it: a proxy starts while its collector is away.
func collectorCluster(name string, address *corev3.Address) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS},
		ConnectTimeout:       durationpb.New(collectorConnect),
		LoadAssignment:       oneEndpoint(name, address),
		DnsLookupFamily:      clusterv3.Cluster_V4_PREFERRED,
		WaitForWarmOnInit:    wrapperspb.Bool(false),
	}
}

// sampling is the share of requests that start a trace, as the value of a runtime key. Listeners themselves say none, so
// that a proxy without a tracer marks no request as one to be traced by the next.
func sampling(share float64) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		"numerator": structpb.NewNumberValue(math.Round(share * 10_000)), "denominator": structpb.NewStringValue("TEN_THOUSAND"),
	}})
}

// variable stands in a message for a variable of the container, and these numbers for ports that are one; expandable
// puts in what Kubernetes expands. No real port is that high.
func variable(name string) string { return "@(" + name + ")" }

const (
	portStatsd uint32 = 4_000_000_000 + iota
	portJaeger
	portDatadog
	portOpenTelemetry
)

var expandable = strings.NewReplacer(
	"$", "$$", "@(", "$(",
	fmt.Sprint(portStatsd), `"$(`+sluice.EnvStatsdPort+`)"`,
	fmt.Sprint(portJaeger), `"$(`+sluice.EnvJaegerPort+`)"`,
	fmt.Sprint(portDatadog), `"$(`+sluice.EnvDatadogPort+`)"`,
	fmt.Sprint(portOpenTelemetry), `"$(`+sluice.EnvOpenTelemetryPort+`)"`,
)
