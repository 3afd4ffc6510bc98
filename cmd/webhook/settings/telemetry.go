package settings

import (
	"flag"
	"fmt"
	"slices"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// telemetryFlags are the settings of where proxies report to. Those that App Mesh's controller had keep their names.
func telemetryFlags(flags *flag.FlagSet, t *inject.Telemetry) {
	flags.BoolVar(&t.StatsTags, "enable-stats-tags", t.StatsTags, "label proxies' statistics with appmesh.mesh and appmesh.virtual_node or appmesh.virtual_gateway")
	flags.BoolVar(&t.Statsd, "enable-statsd", t.Statsd, "send proxies' statistics to a DogStatsD daemon")
	flags.StringVar(&t.StatsdAddress, "statsd-address", t.StatsdAddress, "IP address of the DogStatsD daemon; ref:status.hostIP for that of the pod's node")
	flags.StringVar(&t.StatsdPort, "statsd-port", t.StatsdPort, "port of the DogStatsD daemon")
	flags.StringVar(&t.StatsdSocketPath, "statsd-socket-path", t.StatsdSocketPath, "Unix socket of the DogStatsD daemon instead; pods mount it with the annotation volumeMounts")
	flags.BoolVar(&t.Jaeger, "enable-jaeger-tracing", t.Jaeger, "send spans to Jaeger, or another collector of Zipkin's protocol. At most one tracer can be enabled")
	flags.StringVar(&t.JaegerAddress, "jaeger-address", t.JaegerAddress, "host of that collector; ref:status.hostIP for the pod's node")
	flags.StringVar(&t.JaegerPort, "jaeger-port", t.JaegerPort, "port of that collector")
	flags.BoolVar(&t.Datadog, "enable-datadog-tracing", t.Datadog, "send spans to Datadog's agent")
	flags.StringVar(&t.DatadogAddress, "datadog-address", t.DatadogAddress, "host of Datadog's agent; ref:status.hostIP for the pod's node")
	flags.StringVar(&t.DatadogPort, "datadog-port", t.DatadogPort, "port of Datadog's agent")
	flags.BoolVar(&t.OpenTelemetry, "enable-opentelemetry-tracing", t.OpenTelemetry, "send spans to an OpenTelemetry collector, by gRPC")
	flags.StringVar(&t.OpenTelemetryAddress, "opentelemetry-address", t.OpenTelemetryAddress, "host of the OpenTelemetry collector; ref:status.hostIP for the pod's node")
	flags.StringVar(&t.OpenTelemetryPort, "opentelemetry-port", t.OpenTelemetryPort, "port of the OpenTelemetry collector")
	flags.BoolVar(&t.XRay, "enable-xray-tracing", t.XRay, "accepted with a warning at every pod: upstream Envoy has no X-Ray tracer")
}

// bootstraps makes every bootstrap that a pod can ask for, so that an admission only looks one up, and a mistake shows
// when the process starts.
func bootstraps(config xds.BootstrapConfig, sdsSocket string) (func(inject.Bootstrap, []sluice.Probe) string, error) {
	texts := map[inject.Bootstrap]string{}
	for _, b := range everyBootstrap() {
		config.Gateway = b.Kind == inject.KindVirtualGateway
		config.StatsTags, config.Statsd, config.Tracer, config.SDSSocket = b.StatsTags, b.Statsd, b.Tracer, ""
		if b.SDS {
			config.SDSSocket = sdsSocket
		}
		text, err := xds.Bootstrap(config)
		if err != nil {
			return nil, fmt.Errorf("write the proxies' bootstrap: %w", err)
		}
		texts[b] = string(text)
	}
	parts, err := xds.NewProbes(config)
	if err != nil {
		return nil, fmt.Errorf("write the proxies' bootstrap: %w", err)
	}
	return func(b inject.Bootstrap, probes []sluice.Probe) string { return parts.AddTo(texts[b], probes) }, nil
}

func everyBootstrap() []inject.Bootstrap {
	all := []inject.Bootstrap{{Kind: inject.KindVirtualNode}, {Kind: inject.KindVirtualGateway}}
	all = times(all, []bool{true}, func(b *inject.Bootstrap, on bool) { b.StatsTags = on })
	all = times(all, []bool{true}, func(b *inject.Bootstrap, on bool) { b.SDS = on })
	all = times(all, []sluice.Statsd{sluice.StatsdUDP, sluice.StatsdSocket}, func(b *inject.Bootstrap, s sluice.Statsd) { b.Statsd = s })
	return times(all, []sluice.Tracer{sluice.TracerJaeger, sluice.TracerDatadog, sluice.TracerOpenTelemetry},
		func(b *inject.Bootstrap, t sluice.Tracer) { b.Tracer = t })
}

// times gives the list, and once more with each of the values.
func times[V any](list []inject.Bootstrap, values []V, set func(*inject.Bootstrap, V)) []inject.Bootstrap {
	all := slices.Clone(list)
	for _, v := range values {
		for _, b := range list {
			set(&b, v)
			all = append(all, b)
		}
	}
	return all
}
