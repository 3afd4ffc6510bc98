package inject

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Config is everything about injection that is the same for all pods. It is passed whole.
type Config struct {
	// ProxyImage runs Envoy. It has /usr/local/bin/envoy and, unless SkipDrain is set, /usr/local/bin/proxyctl.
	ProxyImage string
	// InitImage has /usr/local/bin/proxyinit; ProxyImage if empty, so that a pod pulls one image.
	InitImage string
	// ImagePullPolicy of both; Kubernetes' default if empty.
	ImagePullPolicy corev1.PullPolicy
	// ImagePullSecret is added to the pods' own; the Secret has to be in their namespaces. Empty adds none.
	ImagePullSecret string
	// Bootstrap gives the text that Envoy gets as --config-yaml. It is called for every pod, and gives the same for the
	// same. Kubernetes expands the text: $(NAME) is a variable of the container, as package sluice names them, $$ a dollar.
	// The probes are those that the proxy passes on.
	Bootstrap func(Bootstrap, []sluice.Probe) string `json:"-"`
	// KeepProbes leaves all probes as they are, as the annotation sluice.dev/probes does for one pod.
	KeepProbes bool
	// SDSSocket is the Unix socket of the secret discovery service of each node, mounted in proxies; empty is none.
	SDSSocket string
	// Telemetry is where proxies report to.
	Telemetry Telemetry
	// ClassicSidecars makes the proxy an ordinary container everywhere, as the annotation sluice.dev/sidecar-mode does for one pod.
	ClassicSidecars bool
	// CNI is for which pods our CNI plugin redirects instead of an init container.
	CNI CNIMode

	// Requests and limits of Envoy and of proxyinit as quantities; annotations override those of Envoy. Empty means none,
	// but a container without requests takes the HorizontalPodAutoscaler's utilization away, so the requests have defaults.
	CPURequest    string
	MemoryRequest string
	CPULimit      string
	MemoryLimit   string

	// EgressIgnoredIPs and EgressIgnoredPorts are destinations that bypass Envoy unless a pod says otherwise.
	EgressIgnoredIPs   []string
	EgressIgnoredPorts []string

	// LogLevel of Envoy.
	LogLevel string
	// NodeConcurrency and GatewayConcurrency are Envoy's worker threads; 0 leaves it to Envoy, which takes all CPUs of the machine.
	NodeConcurrency    int
	GatewayConcurrency int

	// ListenerDrainSeconds is how long connections of a listener that a new configuration replaced may live on.
	ListenerDrainSeconds int
	// DrainDelaySeconds is how long a proxy that stops together with its pod goes on serving while its address is
	// being taken out of service. A native sidecar needs none of it: it outlives the application.
	DrainDelaySeconds int
	// DrainDeadlineSeconds is how long a stopping proxy waits for requests in flight, the delay included; 0 is as long as
	// the grace period of the pod lasts, which is the limit in any case.
	DrainDeadlineSeconds int
	// SkipDrain leaves the preStop hook out, for an Envoy image without proxyctl.
	SkipDrain bool
}

// Default is the configuration of an installation that sets nothing; images and bootstraps are still to be filled in.
func Default() Config {
	return Config{
		CNI:                  CNIOff,
		CPURequest:           "10m",
		MemoryRequest:        "32Mi",
		EgressIgnoredIPs:     []string{"169.254.169.254"},
		EgressIgnoredPorts:   []string{"22"},
		LogLevel:             "info",
		NodeConcurrency:      2,
		ListenerDrainSeconds: 600,
		DrainDelaySeconds:    5,
		Telemetry:            defaultTelemetry(),
	}
}

// logLevels are those that Envoy's --log-level takes.
var logLevels = []string{"trace", "debug", "info", "warning", "warn", "error", "critical", "off"}

// Validate reports every mistake in the configuration.
func (c Config) Validate() error {
	var errs field.ErrorList
	required := func(name string, given bool) {
		if !given {
			errs = append(errs, field.Required(field.NewPath(name), "nothing can be injected without it"))
		}
	}
	required("proxyImage", c.ProxyImage != "")
	required("bootstrap", c.Bootstrap != nil)
	errs = append(errs, c.Telemetry.validate()...)
	if c.SDSSocket != "" && !path.IsAbs(c.SDSSocket) {
		errs = append(errs, field.Invalid(field.NewPath("sdsSocket"), c.SDSSocket, "want an absolute path"))
	}
	errs = append(errs, c.validateResources()...)
	errs = append(errs, c.validateRedirection()...)
	errs = append(errs, c.validateNumbers()...)
	if !slices.Contains(cniModes, string(c.CNI)) {
		errs = append(errs, field.NotSupported(field.NewPath("cni"), string(c.CNI), cniModes))
	}
	if err := errs.ToAggregate(); err != nil {
		return fmt.Errorf("check the injection settings: %w", err)
	}
	return nil
}

func (c Config) validateResources() field.ErrorList {
	var errs field.ErrorList
	for _, q := range []struct{ name, value string }{
		{"cpuRequest", c.CPURequest}, {"memoryRequest", c.MemoryRequest}, {"cpuLimit", c.CPULimit}, {"memoryLimit", c.MemoryLimit},
	} {
		if q.value == "" {
			continue
		}
		if _, err := resource.ParseQuantity(q.value); err != nil {
			errs = append(errs, field.Invalid(field.NewPath(q.name), q.value, "want a quantity such as 10m or 32Mi"))
		}
	}
	return errs
}

func (c Config) validateRedirection() field.ErrorList {
	var errs field.ErrorList
	for i, v := range c.EgressIgnoredIPs {
		if !isAddress(v) {
			errs = append(errs, field.Invalid(field.NewPath("egressIgnoredIPs").Index(i), v, "want an address or a CIDR"))
		}
	}
	for i, v := range c.EgressIgnoredPorts {
		if !isPort(v) {
			errs = append(errs, field.Invalid(field.NewPath("egressIgnoredPorts").Index(i), v, "want a port from 1 to 65535"))
		}
	}
	return errs
}

func (c Config) validateNumbers() field.ErrorList {
	var errs field.ErrorList
	if !slices.Contains(logLevels, c.LogLevel) {
		errs = append(errs, field.NotSupported(field.NewPath("logLevel"), c.LogLevel, logLevels))
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"nodeConcurrency", c.NodeConcurrency}, {"gatewayConcurrency", c.GatewayConcurrency},
		{"listenerDrainSeconds", c.ListenerDrainSeconds},
		{"drainDelaySeconds", c.DrainDelaySeconds}, {"drainDeadlineSeconds", c.DrainDeadlineSeconds},
	} {
		if n.value < 0 {
			errs = append(errs, field.Invalid(field.NewPath(n.name), n.value, "must not be negative"))
		}
	}
	if c.DrainDeadlineSeconds > 0 && c.DrainDelaySeconds > c.DrainDeadlineSeconds {
		errs = append(errs, field.Invalid(field.NewPath("drainDelaySeconds"), c.DrainDelaySeconds, "must not be longer than drainDeadlineSeconds, which includes it"))
	}
	return errs
}
