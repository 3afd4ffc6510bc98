package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// config is what the flags and the environment say.
type config struct {
	kubeconfig     string
	qps            float64
	burst          int
	namespaces     []string
	leaderElection bool
	leaseNamespace string
	metricsAddress string
	healthAddress  string
	workers        int
	pollInterval   time.Duration
	certDir        string
	meshPeers      string
	// metricsServer is the Prometheus of inline queries whose Canary names none.
	metricsServer        string
	noCrossNamespaceRefs bool
	selectorLabels       []string
	labelPrefixes        []string
	trackConfigs         bool
	alerts               alertFlags
	maxRollouts          int
	policy               validate.Policy
	log                  *slog.Logger
	// libraryLog is for the libraries, which say a lot at the level info. Our own lines there are the story of the releases.
	libraryLog *slog.Logger
}

// errHelp says that the user asked for help and got it.
var errHelp = errors.New("help requested")

const helpText = `canary looks after Canary objects (flagger.app/v1beta1): it notices a new version of a Deployment, gives it traffic
step by step through the weights of a VirtualRouter, judges each step by what the Envoys of its pods counted, and then
promotes it or sends all traffic back.

A step counts from the moment when the Envoys of all callers have its weights: mesh is asked, through a port of its own and
with certificates on both sides. There it also learns what the callers of a version under analysis saw fail: a version that
crashes or never answers counts nothing itself.

All state is in the cluster, so it can be restarted at any moment: a release goes on where it was. With several replicas
one works, the one that holds the Lease %s, and another takes over in under five seconds.

Follow a release:
  kubectl get canaries --all-namespaces --watch
  kubectl -n %s logs deploy/sluice-canary --follow | jq .msg

Metrics (flagger_canary_status, flagger_canary_weight, ...) are at /metrics, health at /healthz and /readyz.

Environment: POD_NAMESPACE is the default of -lease-namespace. SLACK_URL, SLACK_TOKEN, SLACK_PROXY_URL, MSTEAMS_URL,
MSTEAMS_PROXY_URL and EVENT_WEBHOOK_URL win over the flags of those names, so that they can come from a Secret.

Flags:
`

func parseFlags(args []string, help io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("canary", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the flag package prints usage on every error; ours is one sentence
	flags.StringVar(&cfg.kubeconfig, "kubeconfig", "", "path of a kubeconfig; without it the pod's own service account is used")
	flags.Float64Var(&cfg.qps, "kubeconfig-qps", 100, "requests per second to the API server, on average")
	flags.IntVar(&cfg.burst, "kubeconfig-burst", 250, "requests to the API server at once")
	namespaces := flags.String("namespace", "", "look after these namespaces only, separated by commas; all if empty")
	flags.BoolVar(&cfg.leaderElection, "leader-elect", true, "take turns through a Lease, so that several replicas can run")
	flags.StringVar(&cfg.leaseNamespace, "lease-namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), sluice.SystemNamespace), "namespace of the Lease")
	flags.StringVar(&cfg.metricsAddress, "metrics-address", fmt.Sprintf(":%d", sluice.MetricsPort), "address that serves /metrics; 0 for none")
	flags.StringVar(&cfg.healthAddress, "health-address", fmt.Sprintf(":%d", sluice.HealthPort), "address that serves /healthz and /readyz; 0 for none")
	flags.IntVar(&cfg.workers, "workers", 4, "Canaries that are looked at at the same time")
	flags.DurationVar(&cfg.pollInterval, "poll-interval", time.Second, "time between two readings of a pod's Envoy while it is under analysis")
	flags.StringVar(&cfg.certDir, "cert-dir", "/etc/sluice/tls", "directory of tls.crt, tls.key and ca.crt, by which mesh and this process know each other")
	flags.StringVar(&cfg.meshPeers, "mesh-peers", sluice.MeshPeersService+"."+cmp.Or(os.Getenv("POD_NAMESPACE"), sluice.SystemNamespace)+".svc",
		"host name whose addresses are the replicas of mesh, asked which proxies have the weights and what callers saw fail; empty counts weights as in force once they are written, and judges by the pods' own counters")
	flags.StringVar(&cfg.metricsServer, "metrics-server", "", "URL of the Prometheus that inline queries of a Canary without spec.metricsServer are sent to; built-in metrics come from the Envoys")
	flags.BoolVar(&cfg.noCrossNamespaceRefs, "no-cross-namespace-refs", false, "refuse references from a Canary to a MetricTemplate or an AlertProvider in another namespace")
	flags.BoolVar(&cfg.trackConfigs, "enable-config-tracking", true,
		"make the ConfigMaps and Secrets that a target's pods read part of its revisions, and give its primary copies of them")
	flags.IntVar(&cfg.maxRollouts, "max-rollouts", 0,
		"how many rollouts may run at the same time, 0 for any number; others wait for their turn before they start, and nothing else ever waits")
	validate.RegisterSelectorLabels(flags, &cfg.selectorLabels)
	cfg.policy.Register(flags)
	labelPrefixes := flags.String("include-label-prefix", "", "prefixes of the target's labels that a new primary gets too, separated by commas; all labels if empty or *")
	cfg.alerts.register(flags)
	level := flags.String("log-level", "info", "least severe level that is logged: debug, info, warn or error; what libraries say at info is logged with debug")

	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(help)
		fmt.Fprintf(help, helpText, sluice.CanaryService, sluice.SystemNamespace)
		flags.PrintDefaults()
		return config{}, errHelp
	}
	if err != nil {
		return config{}, fmt.Errorf("%w (see -help)", err)
	}
	if err := cfg.alerts.complete(); err != nil {
		return config{}, err
	}
	var least slog.Level
	if err := least.UnmarshalText([]byte(strings.ToUpper(*level))); err != nil {
		return config{}, fmt.Errorf("-log-level: %w", err)
	}
	cfg.log = slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: least}))
	cfg.libraryLog = cfg.log
	if least == slog.LevelInfo {
		cfg.libraryLog = slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	cfg.namespaces = list(*namespaces)
	cfg.labelPrefixes = list(*labelPrefixes)
	return cfg, nil
}

// list reads a flag that holds several values; none if it is empty.
func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
}

// kube is how the API server is reached.
func (c config) kube() (*rest.Config, error) {
	kube, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	kube.QPS, kube.Burst = float32(c.qps), c.burst
	kube.UserAgent = "sluice-canary"
	return kube, nil
}
