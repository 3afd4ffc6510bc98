package mesh

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// HealthCheck is how the callers of a cluster find out which of its endpoints work.
type HealthCheck struct {
	Protocol Protocol `json:"protocol"`
	// Host is whom an HTTP or gRPC check asks for: the name by which callers find the cluster, with its port.
	Host string `json:"host,omitempty"`
	// Path of an HTTP check.
	Path string `json:"path,omitempty"`
	// Port to check; 0 is that of the endpoint.
	Port uint32 `json:"port,omitempty"`
	// Interval between two checks of an endpoint, and Timeout of each.
	Interval Duration `json:"interval"`
	Timeout  Duration `json:"timeout"`
	// Healthy and Unhealthy are how many checks in a row change the verdict.
	Healthy   uint32 `json:"healthy"`
	Unhealthy uint32 `json:"unhealthy"`
}

// grpcHealthPath is where a gRPC health check arrives.
const grpcHealthPath = "/grpc.health.v1.Health/Check"

// healthLimits are those of App Mesh's API.
var healthLimits = []struct {
	name     string
	min, max int64
	of       func(*appmeshv1beta2.HealthCheckPolicy) int64
}{
	{"healthyThreshold", 2, 10, func(p *appmeshv1beta2.HealthCheckPolicy) int64 { return p.HealthyThreshold }},
	{"unhealthyThreshold", 2, 10, func(p *appmeshv1beta2.HealthCheckPolicy) int64 { return p.UnhealthyThreshold }},
	{"intervalMillis", 5000, 300_000, func(p *appmeshv1beta2.HealthCheckPolicy) int64 { return p.IntervalMillis }},
	{"timeoutMillis", 2000, 60_000, func(p *appmeshv1beta2.HealthCheckPolicy) int64 { return p.TimeoutMillis }},
}

// healthCheck converts the check of a listener; nil if there is none, or after telling why it is not made. A listener
// without its check is served: a wrong limit must not cost the traffic.
func (b *builder) healthCheck(node *member, path *field.Path, l listener, p *appmeshv1beta2.HealthCheckPolicy) *HealthCheck {
	if p == nil {
		return nil
	}
	errs := healthErrors(path, l, p)
	for _, err := range errs {
		b.blocked(node.ref, ReasonInvalid, err)
	}
	if len(errs) > 0 {
		return nil
	}
	out := &HealthCheck{
		Protocol: Protocol(p.Protocol),
		Interval: Duration(time.Duration(p.IntervalMillis) * time.Millisecond),
		Timeout:  Duration(time.Duration(p.TimeoutMillis) * time.Millisecond),
		Healthy:  uint32(p.HealthyThreshold), Unhealthy: uint32(p.UnhealthyThreshold),
	}
	// The listener's own port is checked where the endpoint has it, which a Service may number otherwise.
	if port := value(p.Port); port != int64(l.port) {
		out.Port = uint32(port)
	}
	switch out.Protocol {
	case HTTP, HTTP2:
		out.Path = value(p.Path)
	default:
		b.ignored(node.ref, p.Path != nil, path.Child("path"), "a check by "+string(out.Protocol)+" asks for no path")
	}
	if host := discoveredHost(node.spec.ServiceDiscovery); out.Protocol.IsHTTP() && isHostname(host) {
		out.Host = strings.TrimSuffix(host, ".") + ":" + decimal(l.port)
	}
	return out
}

func healthErrors(path *field.Path, l listener, p *appmeshv1beta2.HealthCheckPolicy) field.ErrorList {
	var errs field.ErrorList
	for _, limit := range healthLimits {
		if n := limit.of(p); n < limit.min || n > limit.max {
			errs = append(errs, field.Invalid(path.Child(limit.name), n,
				fmt.Sprintf("no health is checked; give a number between %d and %d", limit.min, limit.max)))
		}
	}
	if p.Port != nil && (*p.Port < 1 || *p.Port > 65535) {
		errs = append(errs, field.Invalid(path.Child("port"), *p.Port, "no health is checked, for a port is between 1 and 65535"))
	}
	switch protocol := Protocol(p.Protocol); protocol {
	case HTTP, HTTP2:
		if p.Path == nil {
			errs = append(errs, field.Required(path.Child("path"), "no health is checked; a check by "+string(protocol)+" needs a path, for example /healthz"))
		} else if !strings.HasPrefix(*p.Path, "/") || !isHeaderValue(*p.Path) {
			errs = append(errs, field.Invalid(path.Child("path"), *p.Path, "no health is checked, for a path starts with a slash and has no control characters"))
		}
	case GRPC:
		// Envoy refuses the cluster otherwise.
		if l.protocol != GRPC && l.protocol != HTTP2 {
			errs = append(errs, field.Invalid(path.Child("protocol"), protocol,
				"no health is checked, for the listener speaks "+string(l.protocol)+" and gRPC needs HTTP/2; check by http or tcp, or make the listener's protocol grpc"))
		}
	case TCP:
	default:
		errs = append(errs, field.NotSupported(path.Child("protocol"), protocol, []Protocol{GRPC, HTTP, HTTP2, TCP}))
	}
	return errs
}

// healthPaths are the paths at which callers check a port of the node, sorted. Its sidecar keeps such requests out of the
// statistics by which releases are judged.
func healthPaths(listeners []listener, port uint32) []string {
	var paths []string
	for _, l := range listeners {
		if l.health == nil || l.health.Port != port && (l.health.Port != 0 || l.port != port) {
			continue
		}
		switch l.health.Protocol {
		case HTTP, HTTP2:
			paths = append(paths, l.health.Path)
		case GRPC:
			paths = append(paths, grpcHealthPath)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
