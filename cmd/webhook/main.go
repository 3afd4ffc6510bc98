// Command webhook is the admission process: it adds the proxy to pods, completes and judges App Mesh's objects, and
// judges Canaries and their autoscalers. Every replica answers. Run it with --help for its settings.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/sluice-mesh/sluice/pkg/kube/admission"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
)

func main() {
	settings, err := parse(os.Args[1:], os.Getenv, os.Stderr)
	if err == nil {
		err = run(settings)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "webhook: %v\n", err)
		os.Exit(1)
	}
}

// run wires the parts together and serves until it is told to stop.
func run(settings settings) error {
	log := settings.logger(os.Stdout)
	if settings.inject.Telemetry.XRay {
		log.Info("--enable-xray-tracing has no effect: upstream Envoy has no X-Ray tracer; see --enable-opentelemetry-tracing")
	}
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	cluster, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster (inside one nothing needs to be set; outside, set KUBECONFIG): %w", err)
	}
	keeper, answers, err := build(settings, cluster)
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(cluster, ctrl.Options{
		Logger:                 log,
		Metrics:                server.Options{BindAddress: settings.metricsAddress},
		HealthProbeBindAddress: settings.healthAddress,
		WebhookServer: webhook.NewServer(webhook.Options{Port: settings.port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
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
	return manager.Start(draining.after(ctrl.SetupSignalHandler(), settings.shutdownDelay))
}

// build makes the two parts that do the work.
func build(settings settings, cluster *rest.Config) (*certs.Keeper, *admission.Admission, error) {
	client, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		return nil, nil, fmt.Errorf("make a client: %w", err)
	}
	log := ctrl.Log
	answers, err := admission.New(admission.Options{
		Client: cluster, SystemNamespace: settings.namespace, Inject: settings.inject, Log: log.WithName("admission"), Metrics: metrics.Registry,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("prepare admission: %w", err)
	}
	return certs.New(settings.certificates(client, log.WithName("certificates"), metrics.Registry)), answers, nil
}
