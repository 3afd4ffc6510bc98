// Command webhook is the admission process: it adds the proxy to pods, completes and judges App Mesh's objects, and
// judges Canaries and what their releases depend on. Every replica answers. Run it with --help for its settings.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/sluice-mesh/sluice/cmd/webhook/settings"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/kube/admission"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
)

func main() {
	s, err := settings.Parse(os.Args[1:], os.Getenv, os.Stderr)
	if err == nil {
		err = run(s)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "webhook: %v\n", err)
		os.Exit(1)
	}
}

// run wires the parts together and serves until it is told to stop.
func run(s settings.Settings) error {
	log := logger(os.Stdout, s.Level)
	if s.Inject.Telemetry.XRay {
		log.Info("--enable-xray-tracing has no effect: upstream Envoy has no X-Ray tracer; see --enable-opentelemetry-tracing")
	}
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	cluster, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster (inside one nothing needs to be set; outside, set KUBECONFIG): %w", err)
	}
	keeper, answers, err := build(s, cluster)
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(cluster, ctrl.Options{
		Logger:                 log,
		Metrics:                server.Options{BindAddress: s.MetricsAddress},
		HealthProbeBindAddress: s.HealthAddress,
		WebhookServer: webhook.NewServer(webhook.Options{Port: s.Port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.GetCertificate, c.MinVersion = keeper.GetCertificate, tls.VersionTLS13
		}}}),
	})
	if err != nil {
		return fmt.Errorf("prepare the servers: %w", err)
	}
	answers.Register(manager.GetWebhookServer())
	draining := &drain{}
	err = errors.Join(
		manager.Add(keeper), manager.Add(answers),
		manager.AddHealthzCheck("alive", healthz.Ping),
		manager.AddReadyzCheck("caches", answers.Ready),
		manager.AddReadyzCheck("certificate", keeper.Ready),
		manager.AddReadyzCheck("serving", draining.check),
	)
	if err != nil {
		return fmt.Errorf("wire the servers: %w", err)
	}
	return manager.Start(draining.after(ctrl.SetupSignalHandler(), s.ShutdownDelay))
}

// build makes the two parts that do the work.
func build(s settings.Settings, cluster *rest.Config) (*certs.Keeper, *admission.Admission, error) {
	client, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		return nil, nil, fmt.Errorf("make a client: %w", err)
	}
	log := ctrl.Log
	answers, err := admission.New(admission.Options{
		Client: cluster, SystemNamespace: s.Namespace, Inject: s.Inject, Policy: s.Policy, SelectorLabels: s.SelectorLabels, Log: log.WithName("admission"), Metrics: metrics.Registry,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("prepare admission: %w", err)
	}
	return certs.New(certificates(s, client, log.WithName("certificates"))), answers, nil
}

// certificates says what the keeper keeps.
func certificates(s settings.Settings, client kubernetes.Interface, log logr.Logger) certs.Options {
	options := certs.Options{
		Client: client, Namespace: s.Namespace, Serving: sluice.WebhookTLSSecret, Configuration: s.Configuration, Log: log, Metrics: metrics.Registry,
		AuthorityLife: s.AuthorityLife, Pause: s.RotationPause,
	}
	if s.Issue {
		options.Leaves = []certs.Leaf{
			{Secret: sluice.WebhookTLSSecret, Name: s.Service},
			{Secret: sluice.MeshTLSSecret, Name: sluice.MeshService, Client: true},
			{Secret: sluice.CanaryTLSSecret, Name: sluice.CanaryService, Client: true},
		}
		for i := range options.Leaves {
			leaf := &options.Leaves[i]
			leaf.Hosts, leaf.Life = certs.ServiceHosts(leaf.Name, s.Namespace, s.ClusterDomain), s.LeafLife
		}
	}
	return options
}

// logger writes one JSON object per line, with the keys that people filter by: ts, level, msg.
func logger(out io.Writer, level slog.Level) logr.Logger {
	return logr.FromSlogHandler(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
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
