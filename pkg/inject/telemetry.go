package inject

import (
	"errors"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Telemetry is where proxies report to. Pods override it with the variables that App Mesh's Envoy image read.
type Telemetry struct {
	// StatsTags labels every statistic with the mesh and the virtual node or gateway.
	StatsTags bool
	// Statsd sends statistics to a DogStatsD daemon, at a socket if there is a path, else by UDP.
	Statsd           bool
	StatsdAddress    string
	StatsdPort       string
	StatsdSocketPath string
	// At most one of the tracers is on. An address is a host, or refHostIP.
	Jaeger, Datadog, OpenTelemetry          bool
	JaegerAddress, JaegerPort               string
	DatadogAddress, DatadogPort             string
	OpenTelemetryAddress, OpenTelemetryPort string
	// XRay was App Mesh's fourth tracer. Upstream Envoy has none, so it earns every pod a warning.
	XRay bool
}

// refHostIP as an address means that of the pod's node, where daemons of a DaemonSet listen.
const refHostIP = "ref:status.hostIP"

// noXRay is what to do instead.
const noXRay = "upstream Envoy has no X-Ray tracer: enable OpenTelemetry's and send to a collector that exports to X-Ray, such as AWS Distro for OpenTelemetry"

func defaultTelemetry() Telemetry {
	return Telemetry{
		StatsdAddress: "127.0.0.1", StatsdPort: "8125",
		JaegerAddress: "appmesh-jaeger.appmesh-system", JaegerPort: "9411",
		DatadogAddress: "datadog.appmesh-system", DatadogPort: "8126",
		OpenTelemetryAddress: "opentelemetry-collector", OpenTelemetryPort: "4317",
	}
}

// errManyTracers is App Mesh's text.
var errManyTracers = errors.New("Envoy only supports a single tracer instance. Please choose between Jaeger, Datadog or X-Ray.") //nolint:staticcheck,revive // people search for it

func (t Telemetry) validate() field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("telemetry")
	if on := count(t.Jaeger, t.Datadog, t.OpenTelemetry, t.XRay); on > 1 {
		errs = append(errs, field.Invalid(path, on, errManyTracers.Error()))
	}
	on := t.bootstrap()
	for _, v := range bootstrapVariables {
		value := v.fallback(t, Target{})
		if v.check != nil && value != refHostIP && (value != "" || v.used(on)) && !v.check(value) {
			errs = append(errs, field.Invalid(path.Child(v.name), value, "want "+v.want))
		}
	}
	return errs
}

// bootstrap is the one of pods that ask for nothing else.
func (t Telemetry) bootstrap() Bootstrap {
	b := Bootstrap{StatsTags: t.StatsTags}
	switch {
	case t.Statsd && t.StatsdSocketPath != "":
		b.Statsd = sluice.StatsdSocket
	case t.Statsd:
		b.Statsd = sluice.StatsdUDP
	}
	switch {
	case t.Jaeger:
		b.Tracer = sluice.TracerJaeger
	case t.Datadog:
		b.Tracer = sluice.TracerDatadog
	case t.OpenTelemetry:
		b.Tracer = sluice.TracerOpenTelemetry
	}
	return b
}

func count(list ...bool) int {
	n := 0
	for _, on := range list {
		if on {
			n++
		}
	}
	return n
}

// bootstrapVariable is a variable that some bootstraps refer to.
type bootstrapVariable struct {
	name string
	// used says whether a bootstrap refers to it.
	used func(Bootstrap) bool
	// fallback is its value where the pod gives none.
	fallback func(Telemetry, Target) string
	// check refuses a value with which Envoy would not start; want says what it would take. Without a check the
	// variable is ours, and nobody overrides it.
	check func(string) bool
	want  string
}

const (
	wantIP   = "an IP address or " + refHostIP
	wantHost = "a host name, an IP address or " + refHostIP
	wantPort = "a port from 1 to 65535"
	wantText = "a text without quotes, backslashes and control characters"
)

// bootstrapVariables is in the order in which they are added to the container.
var bootstrapVariables = []bootstrapVariable{
	{sluice.EnvMesh, hasTags, func(_ Telemetry, t Target) string { return t.MeshName }, nil, ""},
	{sluice.EnvProxy, hasTags, func(_ Telemetry, t Target) string { return t.AWSName }, nil, ""},
	{sluice.EnvStatsdAddress, hasStatsd(sluice.StatsdUDP), func(c Telemetry, _ Target) string { return c.StatsdAddress }, isIP, wantIP},
	{sluice.EnvStatsdPort, hasStatsd(sluice.StatsdUDP), func(c Telemetry, _ Target) string { return c.StatsdPort }, isPort, wantPort},
	{sluice.EnvStatsdSocketPath, hasStatsd(sluice.StatsdSocket), func(c Telemetry, _ Target) string { return c.StatsdSocketPath }, isPlain, wantText},
	{sluice.EnvJaegerAddress, hasTracer(sluice.TracerJaeger), func(c Telemetry, _ Target) string { return c.JaegerAddress }, isPlain, wantHost},
	{sluice.EnvJaegerPort, hasTracer(sluice.TracerJaeger), func(c Telemetry, _ Target) string { return c.JaegerPort }, isPort, wantPort},
	{sluice.EnvDatadogAddress, hasTracer(sluice.TracerDatadog), func(c Telemetry, _ Target) string { return c.DatadogAddress }, isPlain, wantHost},
	{sluice.EnvDatadogPort, hasTracer(sluice.TracerDatadog), func(c Telemetry, _ Target) string { return c.DatadogPort }, isPort, wantPort},
	{sluice.EnvDatadogService, hasTracer(sluice.TracerDatadog), func(_ Telemetry, t Target) string { return "envoy-" + segment(t) }, isPlain, wantText},
	{sluice.EnvOpenTelemetryAddress, hasTracer(sluice.TracerOpenTelemetry), func(c Telemetry, _ Target) string { return c.OpenTelemetryAddress }, isPlain, wantHost},
	{sluice.EnvOpenTelemetryPort, hasTracer(sluice.TracerOpenTelemetry), func(c Telemetry, _ Target) string { return c.OpenTelemetryPort }, isPort, wantPort},
	{sluice.EnvOpenTelemetryService, hasTracer(sluice.TracerOpenTelemetry), func(_ Telemetry, t Target) string { return segment(t) }, isPlain, wantText},
}

func hasTags(b Bootstrap) bool { return b.StatsTags }

func hasStatsd(s sluice.Statsd) func(Bootstrap) bool {
	return func(b Bootstrap) bool { return b.Statsd == s }
}

func hasTracer(t sluice.Tracer) func(Bootstrap) bool {
	return func(b Bootstrap) bool { return b.Tracer == t }
}

// segment names the target in traces, as App Mesh did.
func segment(t Target) string { return t.MeshName + "/" + t.AWSName }
