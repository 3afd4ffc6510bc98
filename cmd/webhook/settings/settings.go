// Package settings reads the flags of the webhook: arguments and environment go in, and what it is to do comes out, above
// all what pods get. Whoever answers in the webhook's place reads the same flags here, so that the answers are the same.
package settings

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

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/validate"
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

// Settings is what the flags say.
type Settings struct {
	// Namespace is that of our processes, Service what the API server calls, Configuration the webhook configurations.
	Namespace, Service, Configuration string
	// Issue says that we issue certificates; otherwise somebody else writes the Secrets and the caBundle.
	Issue bool
	// AuthorityLife and LeafLife are how long certificates are good; RotationPause is between the steps of a rotation.
	AuthorityLife, LeafLife, RotationPause time.Duration
	ClusterDomain                          string
	// Port is that of the API server's requests; the addresses are host:port, or 0 for none.
	Port                          int
	MetricsAddress, HealthAddress string
	// ShutdownDelay is how long to go on serving after SIGTERM.
	ShutdownDelay time.Duration
	Level         slog.Level
	// Inject is what pods get.
	Inject inject.Config
	// Policy is what the owners of the cluster say about the rulebook, SelectorLabels what tells the versions of a target apart.
	Policy         validate.Policy
	SelectorLabels []string

	// What becomes part of Inject.
	ipv6      bool
	sampling  float64
	sds       bool
	sdsSocket string
}

// Parse reads the flags, whose defaults depend on the environment; help goes to out. An error is a sentence for whoever
// wrote the flags.
func Parse(args []string, env func(string) string, out io.Writer) (Settings, error) {
	s := Settings{Inject: inject.Default()}
	namespace := env("POD_NAMESPACE")
	if namespace == "" {
		namespace = sluice.SystemNamespace
	}
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // mistakes are printed once, by main
	flags.StringVar(&s.Namespace, "namespace", namespace, "namespace of our processes; POD_NAMESPACE if set. Its pods are never injected")
	flags.StringVar(&s.Service, "service", sluice.WebhookService, "name of the Service that the API server calls")
	flags.StringVar(&s.Configuration, "configuration", sluice.WebhookService, "name of the two webhook configurations whose caBundle is ours")
	certificates := flags.String("certificates", "self", "who issues certificates: self, or external when cert-manager writes the Secrets and the caBundle")
	flags.DurationVar(&s.AuthorityLife, "authority-life", 10*365*24*time.Hour, "how long our certificate authority is good; it is rotated after two thirds of it")
	flags.DurationVar(&s.LeafLife, "certificate-life", 90*24*time.Hour, "how long the certificates of our processes are good; they are renewed after two thirds of it")
	flags.DurationVar(&s.RotationPause, "rotation-pause", certs.DefaultPause, "time between the steps of a rotation of the authority; every pod's files must be up to date within it")
	flags.StringVar(&s.ClusterDomain, "cluster-domain", "cluster.local", "DNS domain of the cluster")
	flags.IntVar(&s.Port, "port", sluice.WebhookPort, "port for the API server's requests")
	flags.StringVar(&s.MetricsAddress, "metrics-address", ":"+strconv.Itoa(sluice.MetricsPort), "address of /metrics; 0 switches it off")
	flags.StringVar(&s.HealthAddress, "health-address", ":"+strconv.Itoa(sluice.HealthPort), "address of /healthz and /readyz; 0 switches them off")
	flags.DurationVar(&s.ShutdownDelay, "shutdown-delay", 5*time.Second, "how long to go on serving after SIGTERM, while the endpoints drain")
	flags.TextVar(&s.Level, "log-level", slog.LevelInfo, "debug, info or error; debug has a line per pod")
	mesh := flags.String("mesh-address", "", "host:port where proxies find mesh; the Service sluice-mesh of the namespace if empty")
	s.Policy.Register(flags)
	validate.RegisterSelectorLabels(flags, &s.SelectorLabels)
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
func (s *Settings) proxyFlags(flags *flag.FlagSet) {
	c := &s.Inject
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
func (s *Settings) clusterFlags(flags *flag.FlagSet, env func(string) string) {
	flags.BoolVar(&s.ipv6, "ipv6", xds.HasIPv6(env("POD_IPS")), "proxies answer probes on IPv6 too; by default if POD_IPS, the addresses of this pod, has one")
	flags.BoolVar(&s.Inject.KeepProbes, "keep-probes", false, "leave probes of redirected ports as they are, instead of sending them to port 15021 of the proxy, which passes them on without TLS")
	flags.BoolVar(&s.sds, "enable-sds", false, "mount the SDS socket of the node (SPIRE's agent, say) in proxies, for certificates by sds; pods opt out with the annotation sds")
	flags.StringVar((*string)(&s.Inject.CNI), "cni", string(s.Inject.CNI), "pods that the CNI plugin sluice-cni, which is on every node then (config/cni), redirects instead of an init container: "+
		"off for none, needed for those that ask for it with appmeshCNI or whose namespace's Pod Security forbids NET_ADMIN, always for all")
	flags.StringVar(&s.sdsSocket, "sds-uds-path", "/run/spire/sockets/agent.sock", "path of that socket")
	telemetryFlags(flags, &s.Inject.Telemetry)
	flags.Float64Var(&s.sampling, "tracing-sampling-rate", 1, "share of the requests without a trace that start one, from 0 to 1")
}

// finish derives what is not a flag of its own, and checks the whole.
func (s *Settings) finish(certificates, mesh string) error {
	switch certificates {
	case "self":
		s.Issue = true
	case "external":
	default:
		return fmt.Errorf("--certificates=%s is neither self nor external", certificates)
	}
	switch s.Inject.ImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		return fmt.Errorf("--image-pull-policy=%s is not Always, IfNotPresent or Never", s.Inject.ImagePullPolicy)
	}
	if s.ShutdownDelay < 0 {
		return fmt.Errorf("--shutdown-delay=%s is negative", s.ShutdownDelay)
	}
	service := fmt.Sprintf("%s.%s.svc.%s", sluice.MeshService, s.Namespace, s.ClusterDomain)
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
		s.Inject.SDSSocket = s.sdsSocket
	}
	if s.sampling < 0 || s.sampling > 1 {
		return fmt.Errorf("--tracing-sampling-rate=%v is not from 0 to 1", s.sampling)
	}
	var err error
	s.Inject.Bootstrap, err = bootstraps(xds.BootstrapConfig{Host: host, Port: uint32(port), ServerName: service, IPv6: s.ipv6, TracingSampling: s.sampling}, s.Inject.SDSSocket)
	if err != nil {
		return err
	}
	if s.RotationPause <= 0 || s.LeafLife <= 0 || s.AuthorityLife < 6*s.RotationPause {
		return fmt.Errorf("--authority-life %s: an authority must live for at least six times --rotation-pause (%s), or it ends before its successor is trusted; lives and pause are above 0",
			s.AuthorityLife, s.RotationPause)
	}
	return s.Inject.Validate()
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
