package xds

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	health_checkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/envoyproxy/go-control-plane/pkg/wellknown"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// idleHealthInterval is how seldom a caller checks endpoints that it found healthy and never called: Envoy's default.
const idleHealthInterval = mesh.Duration(time.Minute)

// healthJitter spreads the checks of callers that got their configuration at the same moment, in percent of the interval.
const healthJitter = 10

// checkHealth lets each caller check the endpoints of a cluster itself, as in App Mesh.
func checkHealth(out *clusterv3.Cluster, c *mesh.Cluster) {
	h := c.HealthCheck
	if h == nil {
		return
	}
	check := &corev3.HealthCheck{
		Interval:              duration(h.Interval),
		IntervalJitterPercent: healthJitter,
		Timeout:               duration(h.Timeout),
		HealthyThreshold:      wrapperspb.UInt32(h.Healthy),
		UnhealthyThreshold:    wrapperspb.UInt32(h.Unhealthy),
		// Endpoints that a caller never calls, such as a canary's before its first step, cost it little as long as they
		// are well, and come back as soon as any when they were not.
		NoTrafficInterval:        duration(h.Interval),
		NoTrafficHealthyInterval: duration(max(h.Interval, idleHealthInterval)),
	}
	switch h.Protocol {
	case mesh.TCP:
		check.HealthChecker = &corev3.HealthCheck_TcpHealthCheck_{TcpHealthCheck: &corev3.HealthCheck_TcpHealthCheck{}}
	case mesh.GRPC:
		check.HealthChecker = &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{Authority: h.Host}}
	default:
		codec, alpn := typev3.CodecClientType_HTTP1, alpnHTTP1
		if h.Protocol == mesh.HTTP2 {
			codec, alpn = typev3.CodecClientType_HTTP2, alpnHTTP2
		}
		if h.Protocol != c.Protocol && c.Protocol.IsHTTP() {
			// Under TLS the cluster's own protocol would be agreed on, and then another one spoken.
			check.TlsOptions = &corev3.HealthCheck_TlsOptions{AlpnProtocols: []string{alpn}}
		}
		check.HealthChecker = &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: &corev3.HealthCheck_HttpHealthCheck{
			Host: h.Host, Path: h.Path, CodecClientType: codec,
			// Without these, one answer other than 200 would be enough, whatever the threshold.
			RetriableStatuses: []*typev3.Int64Range{{Start: 100, End: 600}},
		}}
	}
	out.HealthChecks = []*corev3.HealthCheck{check}
	// A pod that is not ready any more gets nothing, even if it would still pass a check.
	out.IgnoreHealthOnHostRemoval = true
}

// healthPort is the port at which the endpoints of a cluster are checked; 0 is their own.
func healthPort(c *mesh.Cluster) uint32 {
	if c.HealthCheck == nil {
		return 0
	}
	return c.HealthCheck.Port
}

// healthChecker is how Envoy signs its checks.
const healthChecker = "Envoy/HC"

// healthFilters mark the checks of callers on their way to the application, so that Envoy leaves them out of the counters
// of answers and the latencies: a canary that nobody calls must not look healthy because it is checked.
func (t *translation) healthFilters(paths []string) []*hcmv3.HttpFilter {
	var out []*hcmv3.HttpFilter
	for _, path := range paths {
		out = append(out, &hcmv3.HttpFilter{Name: wellknown.HealthCheck, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: t.pack(&health_checkv3.HealthCheck{
			PassThroughMode: wrapperspb.Bool(true),
			Headers: []*routev3.HeaderMatcher{
				headerOf(mesh.HeaderMatch{Name: ":path", Exact: path}),
				headerOf(mesh.HeaderMatch{Name: "user-agent", Prefix: healthChecker}),
			},
		})}})
	}
	return out
}
