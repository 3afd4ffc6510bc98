package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

const about = `webhook answers the API server's questions about pods, App Mesh objects, Canaries and HorizontalPodAutoscalers.

It needs no files. In a cluster it finds the API server by its service account; outside, set KUBECONFIG. It makes its own
certificate authority in the Secret sluice-ca, serves from the Secret sluice-webhook-tls, and writes the caBundle of
the webhook configurations, which are in config/webhook.

To try an image of your own as the proxy, with more memory for it:

  webhook --proxy-image=registry.example.com/envoy:v1.40.0 --skip-drain --memory-request=64Mi

A pod overrides most of these with annotations, such as appmesh.k8s.aws/memoryRequest.

Settings:
`

// settings is what the flags say.
type settings struct {
	namespace      string
	service        string
	configuration  string
	issue          bool
	authorityLife  time.Duration
	leafLife       time.Duration
	rotationPause  time.Duration
	clusterDomain  string
	port           int
	metricsAddress string
	healthAddress  string
	shutdownDelay  time.Duration
	ipv6           bool
	sampling       float64
	sds            bool
	sdsSocket      string
	level          slog.Level
	inject         inject.Config
}

// parse reads the flags. An error is a sentence for whoever wrote them.
func parse(args []string, env func(string) string, out io.Writer) (settings, error) {
	s := settings{inject: inject.Default()}
	namespace := env("POD_NAMESPACE")
	if namespace == "" {
		namespace = sluice.SystemNamespace
	}
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // mistakes are printed once, by main
	flags.StringVar(&s.namespace, "namespace", namespace, "namespace of our processes; POD_NAMESPACE if set. Its pods are never injected")
	flags.StringVar(&s.service, "service", sluice.WebhookService, "name of the Service that the API server calls")
	flags.StringVar(&s.configuration, "configuration", sluice.WebhookService, "name of the two webhook configurations whose caBundle is ours")
	certificates := flags.String("certificates", "self", "who issues certificates: self, or external when cert-manager writes the Secrets and the caBundle")
	flags.DurationVar(&s.authorityLife, "authority-life", 10*365*24*time.Hour, "how long our certificate authority is good; it is rotated after two thirds of it")
	flags.DurationVar(&s.leafLife, "certificate-life", 90*24*time.Hour, "how long the certificates of our processes are good; they are renewed after two thirds of it")
	flags.DurationVar(&s.rotationPause, "rotation-pause", certs.DefaultPause, "time between the steps of a rotation of the authority; every pod's files must be up to date within it")
	flags.StringVar(&s.clusterDomain, "cluster-domain", "cluster.local", "DNS domain of the cluster")
	flags.IntVar(&s.port, "port", sluice.WebhookPort, "port for the API server's requests")
	flags.StringVar(&s.metricsAddress, "metrics-address", ":"+strconv.Itoa(sluice.MetricsPort), "address of /metrics; 0 switches it off")
	flags.StringVar(&s.healthAddress, "health-address", ":"+strconv.Itoa(sluice.HealthPort), "address of /healthz and /readyz; 0 switches them off")
	flags.DurationVar(&s.shutdownDelay, "shutdown-delay", 5*time.Second, "how long to go on serving after SIGTERM, while the endpoints drain")
	flags.TextVar(&s.level, "log-level", slog.LevelInfo, "debug, info or error; debug has a line per pod")
	mesh := flags.String("mesh-address", "", "host:port where proxies find mesh; the Service sluice-mesh of the namespace if empty")
	s.proxyFlags(flags)
	s.clusterFlags(flags, env)
	flags.Usage = func() {} // a mistake gets one sentence, not all of this
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, about)
		flags.SetOutput(out)
		flags.PrintDefaults()
		return s, err
	} else if err != nil {
		return s, fmt.Errorf("%w; --help lists the settings", err)
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is not a setting; settings start with --, see --help", flags.Arg(0))
	}
	return s, s.finish(*certificates, *mesh)
}

// proxyFlags are the settings of what is injected.
func (s *settings) proxyFlags(flags *flag.FlagSet) {
	c := &s.inject
	flags.StringVar(&c.ProxyImage, "proxy-image", "ghcr.io/sluice-mesh/sluice-proxy:dev", "image of the proxy: Envoy, proxyinit and proxyctl")
	flags.StringVar(&c.InitImage, "init-image", "", "image of the init container; that of the proxy if empty")
	flags.StringVar((*string)(&c.ImagePullPolicy), "image-pull-policy", "", "Always, IfNotPresent or Never, for both; Kubernetes' default if empty")
	flags.StringVar(&c.ImagePullSecret, "image-pull-secret", "", "name of the Secret to pull them with, which is in the pods' namespaces; none if empty")
	flags.BoolVar(&c.ClassicSidecars, "classic-sidecars", c.ClassicSidecars, "inject the proxy as an ordinary container instead of a native sidecar")
	flags.StringVar(&c.CPURequest, "cpu-request", c.CPURequest, "CPU request of the proxy")
	flags.StringVar(&c.MemoryRequest, "memory-request", c.MemoryRequest, "memory request of the proxy")
	flags.StringVar(&c.CPULimit, "cpu-limit", c.CPULimit, "CPU limit of the proxy; none if empty")
	flags.StringVar(&c.MemoryLimit, "memory-limit", c.MemoryLimit, "memory limit of the proxy; none if empty")
	flags.Var((*list)(&c.EgressIgnoredIPs), "ignored-ips", "addresses and CIDRs that bypass the proxy, separated by commas")
	flags.Var((*list)(&c.EgressIgnoredPorts), "ignored-ports", "destination ports that bypass the proxy, separated by commas")
	flags.StringVar(&c.LogLevel, "proxy-log-level", c.LogLevel, "Envoy's log level")
	flags.IntVar(&c.NodeConcurrency, "proxy-concurrency", c.NodeConcurrency, "worker threads of a sidecar; 0 means one per CPU of the machine")
	flags.IntVar(&c.GatewayConcurrency, "gateway-concurrency", c.GatewayConcurrency, "worker threads of a gateway; 0 means one per CPU of the machine")
	flags.IntVar(&c.DrainDelaySeconds, "drain-delay", c.DrainDelaySeconds, "seconds that a gateway or classic sidecar goes on serving when it stops")
	flags.IntVar(&c.DrainDeadlineSeconds, "drain-deadline", c.DrainDeadlineSeconds, "seconds that a stopping proxy waits for requests in flight")
	flags.BoolVar(&c.SkipDrain, "skip-drain", c.SkipDrain, "leave out the graceful drain, for an Envoy image without proxyctl")
}

// clusterFlags are settings of the proxies that depend on the cluster.
func (s *settings) clusterFlags(flags *flag.FlagSet, env func(string) string) {
	flags.BoolVar(&s.ipv6, "ipv6", xds.HasIPv6(env("POD_IPS")), "proxies answer probes on IPv6 too; by default if POD_IPS, the addresses of this pod, has one")
	flags.BoolVar(&s.inject.KeepProbes, "keep-probes", false, "leave probes of redirected ports as they are, instead of sending them to port 15021 of the proxy, which passes them on without TLS")
	flags.BoolVar(&s.sds, "enable-sds", false, "mount the SDS socket of the node (SPIRE's agent, say) in proxies, for certificates by sds; pods opt out with the annotation sds")
	flags.StringVar(&s.sdsSocket, "sds-uds-path", "/run/spire/sockets/agent.sock", "path of that socket")
	telemetryFlags(flags, &s.inject.Telemetry)
	flags.Float64Var(&s.sampling, "tracing-sampling-rate", 1, "share of the requests without a trace that start one, from 0 to 1")
}

// finish derives what is not a flag of its own, and checks the whole.
func (s *settings) finish(certificates, mesh string) error {
	switch certificates {
	case "self":
		s.issue = true
	case "external":
	default:
		return fmt.Errorf("--certificates=%s is neither self nor external", certificates)
	}
	switch s.inject.ImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		return fmt.Errorf("--image-pull-policy=%s is not Always, IfNotPresent or Never", s.inject.ImagePullPolicy)
	}
	if s.shutdownDelay < 0 {
		return fmt.Errorf("--shutdown-delay=%s is negative", s.shutdownDelay)
	}
	service := fmt.Sprintf("%s.%s.svc.%s", sluice.MeshService, s.namespace, s.clusterDomain)
	host, port := service, uint64(sluice.XDSPort)
	if mesh != "" {
		h, p, err := net.SplitHostPort(mesh)
		if err != nil {
			return fmt.Errorf("--mesh-address=%s is not host:port: %w", mesh, err)
		}
		if port, err = strconv.ParseUint(p, 10, 16); err != nil || h == "" || port == 0 {
			return fmt.Errorf("--mesh-address=%s is not host:port, such as %s:%d", mesh, service, sluice.XDSPort)
		}
		host = h
	}
	if s.sds {
		s.inject.SDSSocket = s.sdsSocket
	}
	if s.sampling < 0 || s.sampling > 1 {
		return fmt.Errorf("--tracing-sampling-rate=%v is not from 0 to 1", s.sampling)
	}
	var err error
	s.inject.Bootstrap, err = bootstraps(xds.BootstrapConfig{Host: host, Port: uint32(port), ServerName: service, IPv6: s.ipv6, TracingSampling: s.sampling}, s.inject.SDSSocket)
	if err != nil {
		return err
	}
	if s.rotationPause <= 0 || s.leafLife <= 0 || s.authorityLife < 6*s.rotationPause {
		return fmt.Errorf("--authority-life %s: an authority must live for at least six times --rotation-pause (%s), or it ends before its successor is trusted; lives and pause are above 0",
			s.authorityLife, s.rotationPause)
	}
	return s.inject.Validate()
}

// certificates says what the keeper keeps.
func (s *settings) certificates(client kubernetes.Interface, log logr.Logger, registry prometheus.Registerer) certs.Options {
	options := certs.Options{
		Client: client, Namespace: s.namespace, Serving: sluice.WebhookTLSSecret, Configuration: s.configuration, Log: log, Metrics: registry,
		AuthorityLife: s.authorityLife, Pause: s.rotationPause,
	}
	if s.issue {
		options.Leaves = []certs.Leaf{
			{Secret: sluice.WebhookTLSSecret, Name: s.service},
			{Secret: sluice.MeshTLSSecret, Name: sluice.MeshService, Client: true},
			{Secret: sluice.CanaryTLSSecret, Name: sluice.CanaryService, Client: true},
		}
		for i := range options.Leaves {
			leaf := &options.Leaves[i]
			leaf.Hosts, leaf.Life = certs.ServiceHosts(leaf.Name, s.namespace, s.clusterDomain), s.leafLife
		}
	}
	return options
}

// logger writes one JSON object per line, with the keys that people filter by: ts, level, msg.
func (s *settings) logger(out io.Writer) logr.Logger {
	return logr.FromSlogHandler(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: s.level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) > 0:
		case a.Key == slog.TimeKey:
			a.Key = "ts"
		case a.Key == slog.LevelKey && a.Value.Any().(slog.Level) < slog.LevelInfo:
			a.Value = slog.StringValue("debug") // logr's finer levels have no names of their own
		case a.Key == slog.LevelKey:
			a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
		}
		return a
	}}))
}

// list is a flag with values separated by commas; an empty one is no value.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(text string) error {
	*l = nil
	for value := range strings.SplitSeq(text, ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	return nil
}
