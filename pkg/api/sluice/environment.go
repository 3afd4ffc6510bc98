package sluice

// Tracer is where a proxy sends its spans; empty is nowhere.
type Tracer string

// Tracers that upstream Envoy has. X-Ray's is not among them.
const (
	// TracerJaeger speaks Zipkin's protocol, as App Mesh's proxies did with Jaeger.
	TracerJaeger        Tracer = "jaeger"
	TracerDatadog       Tracer = "datadog"
	TracerOpenTelemetry Tracer = "opentelemetry"
)

// Statsd is how a proxy sends its statistics to a DogStatsD daemon; empty is not at all.
type Statsd string

// Ways to a DogStatsD daemon.
const (
	StatsdUDP    Statsd = "udp"
	StatsdSocket Statsd = "socket"
)

// Variables of the envoy container that its bootstrap refers to as $(NAME). Kubernetes puts their values in when it
// starts the container, so that one text serves pods that differ in them, and the address of a pod's node can be one.
// Those that App Mesh's Envoy image read have its names.
const (
	EnvMesh                 = "SLUICE_MESH"
	EnvProxy                = "SLUICE_PROXY"
	EnvStatsdAddress        = "STATSD_ADDRESS"
	EnvStatsdPort           = "STATSD_PORT"
	EnvStatsdSocketPath     = "STATSD_SOCKET_PATH"
	EnvJaegerAddress        = "JAEGER_TRACER_ADDRESS"
	EnvJaegerPort           = "JAEGER_TRACER_PORT"
	EnvDatadogAddress       = "DATADOG_TRACER_ADDRESS"
	EnvDatadogPort          = "DATADOG_TRACER_PORT"
	EnvDatadogService       = "DD_SERVICE"
	EnvOpenTelemetryAddress = "OPENTELEMETRY_TRACER_ADDRESS"
	EnvOpenTelemetryPort    = "OPENTELEMETRY_TRACER_PORT"
	EnvOpenTelemetryService = "OTEL_SERVICE_NAME"
)
