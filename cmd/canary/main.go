// Command canary releases new versions step by step: it shifts the weights of VirtualRouters and judges each step by what
// the Envoys counted.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/kube/canary"
	"github.com/sluice-mesh/sluice/pkg/kube/definitions"
	"github.com/sluice-mesh/sluice/pkg/metric"
	"github.com/sluice-mesh/sluice/pkg/notify"
)

// Version is stamped by the release.
var Version = "dev"

// The Lease changes hands in under five seconds after a crash, and at once after an orderly stop. The standby looks every
// retryPeriod to 2.2 times that, so after the last renewal it takes at most 0.88 s to be noticed + 3 s + 0.88 s.
const (
	leaseDuration = 3 * time.Second
	renewDeadline = 2 * time.Second
	retryPeriod   = 400 * time.Millisecond
)

func main() {
	cfg, err := parseFlags(os.Args[1:], os.Stdout)
	if errors.Is(err, errHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctrl.SetLogger(logr.FromSlogHandler(cfg.libraryLog.Handler()))
	klog.SetSlogLogger(cfg.libraryLog) // the client library's lines are JSON too
	if err := run(ctrl.SetupSignalHandler(), cfg); err != nil {
		cfg.log.Error("canary failed", slog.String("error", err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg config) error {
	kube, err := cfg.kube()
	if err != nil {
		return err
	}
	if err := definitions.Check(ctx, kube); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register Kubernetes' types: %w", err)
	}
	mgr, err := ctrl.NewManager(kube, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         canary.CacheOptions(cfg.namespaces...),
		Client:                        canary.ClientOptions(),
		Metrics:                       server.Options{BindAddress: cfg.metricsAddress},
		HealthProbeBindAddress:        cfg.healthAddress,
		LeaderElection:                cfg.leaderElection,
		LeaderElectionID:              sluice.CanaryService,
		LeaderElectionNamespace:       cfg.leaseNamespace,
		LeaderElectionReleaseOnCancel: true, // run returns, and the process ends, right after the manager stops
		LeaseDuration:                 ptr.To(leaseDuration),
		RenewDeadline:                 ptr.To(renewDeadline),
		RetryPeriod:                   ptr.To(retryPeriod),
	})
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", seesTheCluster(mgr.GetCache()))); err != nil {
		return fmt.Errorf("add the health checks: %w", err)
	}
	proxies, err := cfg.proxies(cfg.log)
	if err != nil {
		return err
	}
	outside := notify.NewClient().Signing(cfg.signer(cfg.log))
	options := canary.Options{
		Log: cfg.log, Stats: stats{envoy.NewStats()}, Hooks: outside,
		Alerts: outside, GlobalAlert: cfg.alerts.destination(), ClusterName: cfg.alerts.clusterName, EventWebhook: cfg.alerts.eventWebhook,
		Metrics: metrics{metric.NewClient(kube)}, MetricsServer: cfg.metricsServer, NoCrossNamespaceRefs: cfg.noCrossNamespaceRefs,
		Workers: cfg.workers, PollInterval: cfg.pollInterval, Version: Version,
		Namespaces: cfg.namespaces, TrackConfigs: cfg.trackConfigs, MaxRollouts: cfg.maxRollouts, SelectorLabels: cfg.selectorLabels, LabelPrefixes: cfg.labelPrefixes, Policy: cfg.policy,
	}
	if proxies != nil {
		options.Proxies, options.Callers = proxies, proxies
	}
	if err := canary.Add(ctx, mgr, options); err != nil {
		return err
	}
	go func() {
		<-mgr.Elected()
		cfg.log.Info("looks after canaries from now on", "version", Version)
	}()
	return mgr.Start(ctx)
}
