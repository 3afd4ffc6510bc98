package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// variable says what becomes of a variable that App Mesh's Envoy image read. They reach a sidecar by the annotations
// sidecarEnv and sidecarEnvJson, and a gateway by its container.
type variable struct {
	// does is the effect, in words for users.
	does string
	// instead is what users of a variable without effect should do or know.
	instead string
	// harmless are values of a variable without effect that ask for what is the case anyway.
	harmless []string
}

// variables is what pods may set. Of others that look like them we say that they have no effect.
var variables = map[string]variable{
	"ENVOY_LOG_LEVEL":          {does: "Envoy's log level"},
	"ENVOY_CONCURRENCY":        {does: "Envoy's worker threads"},
	"APPMESH_RESOURCE_CLUSTER": {does: "Envoy's name of itself in traces (`--service-cluster`)"},

	"ENVOY_TRACING_CFG_FILE":      {does: addsFile + "; the tracing in it replaces ours"},
	"ENVOY_STATS_CONFIG_FILE":     {does: addsFile + "; the labels in it replace `ENABLE_ENVOY_STATS_TAGS`"},
	"ENVOY_STATS_SINKS_CFG_FILE":  {does: addsFile + "; the sinks in it replace `ENABLE_ENVOY_DOG_STATSD`"},
	"ENVOY_RESOURCES_CONFIG_FILE": {does: addsFile},

	"ENABLE_ENVOY_STATS_TAGS":            {does: "`1` labels statistics with `appmesh.mesh` and `appmesh.virtual_node` or `appmesh.virtual_gateway`, `0` does not"},
	"ENABLE_ENVOY_DOG_STATSD":            {does: "`1` sends statistics to a DogStatsD daemon, `0` does not"},
	sluice.EnvStatsdAddress:              {does: "address of that daemon, " + wantIP},
	sluice.EnvStatsdPort:                 {does: "port of that daemon"},
	sluice.EnvStatsdSocketPath:           {does: "socket of that daemon, instead; mount it with `volumeMounts`"},
	"ENABLE_ENVOY_JAEGER_TRACING":        {does: "`1` sends spans to Jaeger or another collector of Zipkin's protocol, `0` does not"},
	sluice.EnvJaegerAddress:              {does: "address of that collector, " + wantHost},
	sluice.EnvJaegerPort:                 {does: "port of that collector"},
	"ENABLE_ENVOY_DATADOG_TRACING":       {does: "`1` sends spans to Datadog's agent, `0` does not"},
	sluice.EnvDatadogAddress:             {does: "address of that agent, " + wantHost},
	sluice.EnvDatadogPort:                {does: "port of that agent"},
	sluice.EnvDatadogService:             {does: "name of the service in Datadog; `envoy-<mesh>/<virtual node>` otherwise. Envoy reads the other `DD_` variables itself"},
	"ENABLE_ENVOY_OPENTELEMETRY_TRACING": {does: "`1` sends spans to an OpenTelemetry collector by gRPC, `0` does not (not of App Mesh)"},
	sluice.EnvOpenTelemetryAddress:       {does: "address of that collector, " + wantHost},
	sluice.EnvOpenTelemetryPort:          {does: "port of that collector"},
	sluice.EnvOpenTelemetryService:       {does: "name of the service in its traces; `<mesh>/<virtual node>` otherwise"},

	"ENABLE_ENVOY_XRAY_TRACING":   {does: "`1` earns a warning: " + noXRay},
	"XRAY_DAEMON_PORT":            {instead: noXRay},
	"XRAY_SAMPLING_RATE":          {instead: noXRay},
	"XRAY_SAMPLING_RULE_MANIFEST": {instead: noXRay},
	"XRAY_SEGMENT_NAME":           {instead: noXRay},
	"AWS_XRAY_DAEMON_ADDRESS":     {instead: noXRay},

	"ENVOY_CONFIG_FILE":                      {instead: "the proxy starts with the mesh's configuration; put what you add to it into the file of ENVOY_RESOURCES_CONFIG_FILE"},
	"ENVOY_STATS_FLUSH_INTERVAL":             {instead: "statistics are flushed every second, because releases are judged by them", harmless: []string{"1", "1s"}},
	"ENVOY_ADMIN_ACCESS_PORT":                {instead: "port 9901 answers what only reads, and the rest of the admin interface is a Unix socket in the container", harmless: []string{"9901"}},
	"ENVOY_ADMIN_ACCESS_LOG_FILE":            {instead: "the admin interface is a Unix socket in the container and keeps no log", harmless: []string{"/tmp/envoy_admin_access.log", "/dev/null"}},
	"ENVOY_ADMIN_ACCESS_ENABLE_IPV6":         {instead: "port 9901 answers on IPv6 where pods have such addresses"},
	"ENVOY_INITIAL_FETCH_TIMEOUT":            {instead: "a proxy waits for its first configuration as long as it takes", harmless: []string{"0"}},
	"ENVOY_OUTLIER_DETECTION_EVENT_LOG_PATH": {instead: "ejections are in the statistics outlier_detection.*"},
	"APPMESH_XDS_ENDPOINT":                   {instead: "the address of mesh is a setting of the installation"},
	"APPMESH_PREVIEW":                        {instead: "there is one channel", harmless: []string{"0"}},
	"APPMESH_SET_TRACING_DECISION":           {instead: "x-request-id is kept, and the tracer's own headers decide"},
	"APPMESH_METRIC_EXTENSION_VERSION":       {instead: "ENABLE_ENVOY_STATS_TAGS labels statistics with mesh and virtual node", harmless: []string{"0"}},
}

const addsFile = "a file, which you mount, that Envoy adds to its configuration; one of the four, or all with the same path"

// agentPrefixes start the names of what the agent in App Mesh's image turned into configuration.
var agentPrefixes = []string{"APPMESH_", "APPNET_", "ENABLE_ENVOY_", "ENVOY_", "XRAY_", "JAEGER_", "DATADOG_", "STATSD_"}

// adviseVariables warns of variables that do nothing here.
func adviseVariables(p *patch, own environment) {
	managed := managedEnv(p)
	for _, e := range own {
		v, known := variables[e.Name]
		switch {
		case slices.ContainsFunc(managed, func(m corev1.EnvVar) bool { return m.Name == e.Name }):
		case v.does != "":
			if e.ValueFrom != nil && !bootstrapRefersTo(e.Name) {
				p.warn("environment variable %s is ignored: its value comes from elsewhere, and the proxy is configured by what is written in the pod", e.Name)
			}
		case known && slices.Contains(v.harmless, e.Value):
		case known:
			p.warn("environment variable %s has no effect: %s", e.Name, v.instead)
		case slices.ContainsFunc(agentPrefixes, func(prefix string) bool { return strings.HasPrefix(e.Name, prefix) }):
			p.warn("environment variable %s configured App Mesh's own Envoy image and has no effect on upstream Envoy", e.Name)
		}
	}
}

func bootstrapRefersTo(name string) bool {
	return slices.ContainsFunc(bootstrapVariables, func(v bootstrapVariable) bool { return v.name == name })
}
