package settings

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/test/golden"
)

// controllerFlags are those of App Mesh's controller that had to do with injection, in its order, and ours that do the
// same now, or what there is instead.
var controllerFlags = []struct{ theirs, ours, instead string }{
	{theirs: "enable-ecr-secret", ours: "image-pull-secret", instead: "`appmesh-ecr-secret` is its old name"},
	{theirs: "enable-sds", ours: "enable-sds"},
	{theirs: "sds-uds-path", ours: "sds-uds-path"},
	{theirs: "enable-iam-for-service-accounts", instead: "the pod's `fsGroup` is left alone"},
	{theirs: "sidecar-image-repository", ours: "proxy-image"},
	{theirs: "sidecar-image-tag", ours: "proxy-image"},
	{theirs: "sidecar-cpu-requests", ours: "cpu-request"},
	{theirs: "sidecar-memory-requests", ours: "memory-request"},
	{theirs: "sidecar-cpu-limits", ours: "cpu-limit"},
	{theirs: "sidecar-memory-limits", ours: "memory-limit"},
	{theirs: "sidecar-log-level", ours: "proxy-log-level"},
	{theirs: "preview", instead: "there is one channel"},
	{theirs: "prestop-delay", ours: "drain-delay", instead: "a sidecar drains as long as requests are in flight"},
	{theirs: "poststart-timeout", instead: "a native sidecar holds the application back until it is ready, as long as it takes"},
	{theirs: "poststart-interval", instead: "the same"},
	{theirs: "wait-until-proxy-ready", instead: "always so with native sidecars"},
	{theirs: "readiness-probe-initial-delay", instead: "the proxy is asked every second until it is ready, then every 2 s"},
	{theirs: "readiness-probe-period", instead: "the same"},
	{theirs: "envoy-admin-access-port", instead: "9901 always, read-only"},
	{theirs: "envoy-admin-access-log-file", instead: "the admin interface is a Unix socket in the container and keeps no log"},
	{theirs: "envoy-admin-access-enable-ipv6", ours: "ipv6", instead: "on by itself where pods have IPv6 addresses"},
	{theirs: "dual-stack-endpoint", instead: "nothing of AWS is called"},
	{theirs: "fips-endpoint", instead: "nothing of AWS is called"},
	{theirs: "envoy-aws-access-key-id", instead: "nothing of AWS is called"},
	{theirs: "envoy-aws-secret-access-key", instead: "nothing of AWS is called"},
	{theirs: "envoy-aws-session-token", instead: "nothing of AWS is called"},
	{theirs: "init-image", ours: "init-image"},
	{theirs: "ignored-ips", ours: "ignored-ips"},
	{theirs: "enable-jaeger-tracing", ours: "enable-jaeger-tracing"},
	{theirs: "jaeger-address", ours: "jaeger-address"},
	{theirs: "jaeger-port", ours: "jaeger-port"},
	{theirs: "enable-datadog-tracing", ours: "enable-datadog-tracing"},
	{theirs: "datadog-address", ours: "datadog-address"},
	{theirs: "datadog-port", ours: "datadog-port"},
	{theirs: "enable-xray-tracing", ours: "enable-xray-tracing", instead: "a warning at every pod: upstream Envoy has no X-Ray tracer; see `--enable-opentelemetry-tracing`"},
	{theirs: "xray-image", instead: "no X-Ray container is injected"},
	{theirs: "xray-daemon-port", instead: "no X-Ray container is injected"},
	{theirs: "xray-sampling-rate", ours: "tracing-sampling-rate", instead: "for the other tracers"},
	{theirs: "xray-log-level", instead: "no X-Ray container is injected"},
	{theirs: "xray-config-roleArn", instead: "no X-Ray container is injected"},
	{theirs: "enable-stats-tags", ours: "enable-stats-tags"},
	{theirs: "enable-statsd", ours: "enable-statsd"},
	{theirs: "statsd-address", ours: "statsd-address"},
	{theirs: "statsd-port", ours: "statsd-port"},
	{theirs: "statsd-socket-path", ours: "statsd-socket-path"},
}

// TestDocument writes the table of settings in the document, and fails where it names one that does not exist.
func TestDocument(t *testing.T) {
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	s := Settings{Inject: inject.Default()}
	s.proxyFlags(flags)
	s.clusterFlags(flags, noEnv)
	var table strings.Builder
	table.WriteString("| flag of the controller | ours | default | remark |\n|---|---|---|---|\n")
	for _, f := range controllerFlags {
		ours, fallback := "none", ""
		if f.ours != "" {
			found := flags.Lookup(f.ours)
			if found == nil {
				t.Errorf("--%s, which stands for --%s, does not exist", f.ours, f.theirs)
				continue
			}
			ours = "`--" + f.ours + "`"
			if fallback = found.DefValue; fallback != "" {
				fallback = "`" + fallback + "`"
			}
		}
		fmt.Fprintf(&table, "| `--%s` | %s | %s | %s |\n", f.theirs, ours, fallback, f.instead)
	}
	golden.Section(t, "../../../docs/injection.md", "settings", table.String())
}
