package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	kubecanary "github.com/sluice-mesh/sluice/pkg/kube/canary"
)

// canaryProcess runs the engine for the namespace.
func (i *installation) canaryProcess() {
	i.t.Helper()
	ctrl.SetLogger(logr.Discard())
	mgr, err := ctrl.NewManager(i.config, ctrl.Options{
		Scheme: clientgoscheme.Scheme, Cache: kubecanary.CacheOptions(i.namespace), Client: kubecanary.ClientOptions(),
		Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		i.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := kubecanary.Add(ctx, mgr, kubecanary.Options{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Name: i.namespace,
	}); err != nil {
		i.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	i.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			i.t.Error(err)
		}
	})
}

// TestDrivingARelease types the commands one after the other, against an engine that answers.
func TestDrivingARelease(t *testing.T) {
	i := install(t)
	i.canary()
	const failed = `{"status": {"phase": "Failed", "canaryWeight": 0, "failedChecks": 0, "iterations": 0, "lastAppliedSpec": "aa", "lastPromotedSpec": "bb"}}`

	type step struct {
		args []string
		code int
		says string
	}
	type on func(step)
	try := on(func(s step) {
		t.Helper()
		code, _, errs := i.sluice(s.args...)
		if code != s.code || !strings.Contains(errs, s.says) {
			t.Errorf("%v: exit code %d, want %d; it says\n%s", s.args, code, s.code, errs)
		}
	})
	try(step{[]string{"promote", "web", "--timeout", "1s"}, exitFailed, "the canary process has not answered within 1s"})
	try(step{[]string{"promote", "nobody"}, exitFailed, "there is no Canary " + i.namespace + "/nobody"})

	i.patchStatus(failed)
	i.canaryProcess()
	try(step{[]string{"pause", "web"}, exitOK, "is paused by admin since"})
	try(step{[]string{"pause", "web"}, exitOK, "is paused by admin since"})
	try(step{[]string{"retry", "web"}, exitFound, "is refused: it is paused by admin"})
	try(step{[]string{"resume", "web"}, exitOK, "goes on"})
	try(step{[]string{"promote", "web"}, exitFound, "is refused: no rollout runs: the phase is Failed"})
	try(step{[]string{"abort", "web"}, exitOK, "abort of " + i.namespace + "/web is accepted"})

	c, err := i.dyn.Resource(canaryResource).Namespace(i.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := decodedCanary(c)
	if err != nil || decoded.Status.LastRequest.By != "admin" || decoded.Spec.Suspend {
		t.Errorf("%v: %+v", err, decoded)
	}
	c.Object["spec"].(map[string]any)["suspend"] = true
	if _, err := i.dyn.Resource(canaryResource).Namespace(i.namespace).Update(t.Context(), c, metav1.UpdateOptions{FieldManager: "kustomize-controller"}); err != nil {
		t.Fatal(err)
	}
	try(step{[]string{"pause", "web"}, exitOK, "is suspended"})
	try(step{[]string{"resume", "web"}, exitFound, "spec.suspend, which kustomize-controller wrote"})
}
