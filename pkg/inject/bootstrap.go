package inject

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Bootstrap is what the bootstraps of an installation's proxies differ in. Values of single pods are in none of them:
// they are variables of the container, which the text refers to.
type Bootstrap struct {
	Kind      Kind
	StatsTags bool
	Statsd    sluice.Statsd
	Tracer    sluice.Tracer
	// SDS says that the proxy can ask the secret discovery service of its node.
	SDS bool
}

// proxySettings are what a pod's Envoy is started with.
type proxySettings struct {
	bootstrap   Bootstrap
	logLevel    string
	concurrency int
	// cluster is the name that Envoy has in traces.
	cluster string
	// file holds additions to the bootstrap, which the user mounted; empty is none.
	file string
	// env are the variables that have to be in the container.
	env []corev1.EnvVar
}

// settingsOf reads what the configuration says and the variables of the envoy container that the pod asks for, which have
// the last word. An error is a value with which Envoy would not start.
func settingsOf(p *patch, own environment) (proxySettings, error) {
	s := proxySettings{logLevel: p.cfg.LogLevel, concurrency: p.cfg.NodeConcurrency, cluster: p.target.Resource()}
	if p.target.Kind == KindVirtualGateway {
		s.concurrency = p.cfg.GatewayConcurrency
	}
	for _, read := range []func(*patch, environment) error{s.readProcess, s.readFile, s.readTelemetry, s.readVariables} {
		if err := read(p, own); err != nil {
			return proxySettings{}, err
		}
	}
	return s, nil
}

// readProcess reads what becomes an argument of Envoy.
func (s *proxySettings) readProcess(_ *patch, own environment) error {
	if level, ok := own.text("ENVOY_LOG_LEVEL"); ok {
		if level = strings.ToLower(level); !slices.Contains(logLevels, level) {
			return unreadable("ENVOY_LOG_LEVEL", level, "one of "+strings.Join(logLevels, ", "))
		}
		s.logLevel = level
	}
	if text, ok := own.text("ENVOY_CONCURRENCY"); ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return unreadable("ENVOY_CONCURRENCY", text, "a number")
		}
		s.concurrency = n // none of its own for 0 and less, as before
	}
	if name, ok := own.text("APPMESH_RESOURCE_CLUSTER"); ok && name != "" {
		s.cluster = name
	}
	return nil
}

// addedFiles are variables that name a file with additions to the bootstrap.
var addedFiles = []string{"ENVOY_TRACING_CFG_FILE", "ENVOY_STATS_CONFIG_FILE", "ENVOY_STATS_SINKS_CFG_FILE", "ENVOY_RESOURCES_CONFIG_FILE"}

// readFile finds the file that Envoy merges with its bootstrap. It takes one.
func (s *proxySettings) readFile(p *patch, own environment) error {
	chosen := ""
	for _, name := range addedFiles {
		path, ok := own.text(name)
		switch {
		case !ok || path == "":
		case s.file == "" || s.file == path:
			s.file, chosen = path, name
		default:
			p.warn("environment variable %s is ignored: Envoy adds one file to its configuration, which is that of %s; put both into one file", name, chosen)
		}
	}
	return nil
}

// adds says whether the file of the variable is the one that is added.
func (s *proxySettings) adds(own environment, variable string) bool {
	path, ok := own.text(variable)
	return ok && path != "" && path == s.file
}

// readTelemetry finds the parts of the bootstrap. What the user's file configures is left to it.
func (s *proxySettings) readTelemetry(p *patch, own environment) error {
	r := switches{patch: p, own: own}
	cfg := p.cfg.Telemetry
	cfg.StatsTags = r.on("ENABLE_ENVOY_STATS_TAGS", cfg.StatsTags) && !s.adds(own, "ENVOY_STATS_CONFIG_FILE")
	cfg.Statsd = r.on("ENABLE_ENVOY_DOG_STATSD", cfg.Statsd) && !s.adds(own, "ENVOY_STATS_SINKS_CFG_FILE")
	if path, ok := own.text(sluice.EnvStatsdSocketPath); ok {
		cfg.StatsdSocketPath = path
	}
	if err := r.tracers(&cfg); err != nil {
		return err
	}
	if s.adds(own, "ENVOY_TRACING_CFG_FILE") {
		cfg.Jaeger, cfg.Datadog, cfg.OpenTelemetry, cfg.XRay = false, false, false, false
	}
	if cfg.XRay {
		p.warn("the proxy traces nothing: %s", noXRay)
	}
	s.bootstrap = cfg.bootstrap()
	s.bootstrap.Kind, s.bootstrap.SDS = p.target.Kind, hasSDS(p.pod, p.cfg)
	return nil
}

// switches reads variables that are on or off.
type switches struct {
	*patch
	own environment
}

func (r switches) on(name string, fallback bool) bool {
	text, ok := r.own.text(name)
	if !ok {
		return fallback
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		r.warn("environment variable %s: %q is neither 0 nor 1, so it is ignored", name, text)
		return fallback
	}
	return on
}

// tracers lets the pod switch tracers on and off. One that it switches on takes the place of the installation's.
func (r switches) tracers(cfg *Telemetry) error {
	all := []struct {
		variable string
		on       *bool
	}{
		{"ENABLE_ENVOY_JAEGER_TRACING", &cfg.Jaeger},
		{"ENABLE_ENVOY_DATADOG_TRACING", &cfg.Datadog},
		{"ENABLE_ENVOY_OPENTELEMETRY_TRACING", &cfg.OpenTelemetry},
		{"ENABLE_ENVOY_XRAY_TRACING", &cfg.XRay},
	}
	var asked []*bool
	for _, t := range all {
		installed := *t.on
		*t.on = r.on(t.variable, installed)
		if *t.on && !installed {
			asked = append(asked, t.on)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if len(asked) > 1 {
		return errManyTracers
	}
	for _, t := range all {
		*t.on = t.on == asked[0]
	}
	return nil
}

// readVariables gives the bootstrap what it refers to: the pod's own value, or the installation's.
func (s *proxySettings) readVariables(p *patch, own environment) error {
	for _, v := range bootstrapVariables {
		if !v.used(s.bootstrap) {
			continue
		}
		value, written := own.text(v.name)
		switch {
		case v.check == nil: // nobody else's to say
			s.env = append(s.env, corev1.EnvVar{Name: v.name, Value: verbatim(v.fallback(p.cfg.Telemetry, p.target))})
			continue
		case own.opaque(v.name):
			continue // of a ConfigMap, say; nobody can look at it now
		case !written:
			value = v.fallback(p.cfg.Telemetry, p.target)
		}
		switch {
		case value == refHostIP:
			s.env = append(s.env, fieldEnv(v.name, "status.hostIP"))
		case !v.check(value):
			return unreadable(v.name, value, v.want)
		case !written:
			s.env = append(s.env, corev1.EnvVar{Name: v.name, Value: verbatim(value)})
		}
	}
	return nil
}

func unreadable(variable, value, want string) error {
	return fmt.Errorf("environment variable %s of the container %s: %q is not %s", variable, containerEnvoy, value, want)
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// isPlain says whether a text can stand between quotes in the bootstrap.
func isPlain(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r == '\\' || r < ' ' })
}

// environment merges the variables of a container: the managed ones, the pod's own, and what the settings need. Earlier
// ones keep their place.
func (s *proxySettings) environment(managed []corev1.EnvVar, own environment) []corev1.EnvVar {
	env := slices.Concat(managed, own)
	for _, v := range s.env {
		if at := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == v.Name }); at >= 0 {
			env[at] = v
			continue
		}
		env = append(env, v)
	}
	return env
}

// environment is what a pod gives the envoy container itself.
type environment []corev1.EnvVar

// text is the value of a variable that is written in the pod.
func (e environment) text(name string) (string, bool) {
	for _, v := range e {
		if v.Name == name && v.ValueFrom == nil {
			return v.Value, true
		}
	}
	return "", false
}

// opaque says whether the value comes from elsewhere.
func (e environment) opaque(name string) bool {
	return slices.ContainsFunc(e, func(v corev1.EnvVar) bool { return v.Name == name && v.ValueFrom != nil })
}
