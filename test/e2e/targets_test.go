//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// phaseOf is the phase of a Canary, and its weight.
func phaseOf(ctx context.Context, namespace, name string) (phase string, weight int, err error) {
	var c struct {
		Status struct {
			Phase        string
			CanaryWeight int
		}
	}
	err = cluster.Get(ctx, &c, "-n", namespace, "canary", name)
	return c.Status.Phase, c.Status.CanaryWeight, err
}

// inPhase waits for a phase of a Canary, and fails at once in another end.
func inPhase(t *testing.T, ctx context.Context, namespace, name, want string) {
	t.Helper()
	must(t, walkthrough.Eventually(ctx, 4*time.Minute, name+" is "+want, func(ctx context.Context) error {
		phase, weight, err := phaseOf(ctx, namespace, name)
		if err == nil && phase != want {
			err = fmt.Errorf("it is %s at weight %d", phase, weight)
		}
		return err
	}))
}

// climbs waits until a rollout has taken its first steps.
func climbs(t *testing.T, ctx context.Context, namespace, name string) {
	t.Helper()
	must(t, walkthrough.Eventually(ctx, 2*time.Minute, name+" climbs", func(ctx context.Context) error {
		phase, weight, err := phaseOf(ctx, namespace, name)
		if err == nil && (phase != "Progressing" || weight == 0) {
			err = fmt.Errorf("it is %s at weight %d", phase, weight)
		}
		return err
	}))
}

// number reads a number of an object.
func number(ctx context.Context, path string, args ...string) (int, error) {
	text, err := cluster.Run(ctx, append([]string{"-n", walkthrough.Namespace, "get", "-o", "jsonpath={" + path + "}"}, args...)...)
	if err != nil || text == "" {
		return 0, err
	}
	var n int
	err = json.Unmarshal([]byte(text), &n)
	return n, err
}

// TestTargets releases configuration, edits an autoscaler in the middle of a rollout, and deletes the Canary both ways,
// while a plain client outside sees no failure.
func TestTargets(t *testing.T) {
	inFull(t)
	must(t, demo())
	ctx := testContext(t, 25*time.Minute)
	loading, stop := context.WithCancel(ctx)
	load, done := walkthrough.StartLoad(loading, gateway, 50)
	defer func() { stop(); <-done }()
	n := walkthrough.Namespace

	for _, part := range []struct {
		name string
		run  func(*testing.T, context.Context)
	}{
		{"a changed ConfigMap is a rollout", releaseConfiguration},
		{"an edit of the autoscaler reaches the primary in the middle of one", editAutoscaler},
		{"a deletion leaves what serves", deleteCanary},
		{"a deletion with revert hands over first", revertCanary},
	} {
		t.Run(part.name, func(t *testing.T) {
			began := time.Now()
			part.run(t, ctx)
			time.Sleep(3 * time.Second)
			noFailures(t, load.Between(began, time.Now()))
		})
	}
	must(t, cluster.Demo(ctx, true))
	inPhase(t, ctx, n, walkthrough.App, "Initialized")
}

func releaseConfiguration(t *testing.T, ctx context.Context) {
	n := walkthrough.Namespace
	_, err := cluster.Apply(ctx, `{apiVersion: v1, kind: ConfigMap, metadata: {name: podinfo-settings, namespace: `+n+`}, data: {PODINFO_UI_MESSAGE: first}}`)
	must(t, err)
	const read = `{"spec":{"template":{"spec":{"containers":[{"name":"podinfo","envFrom":[{"configMapRef":{"name":"podinfo-settings"}}]}]}}}}`
	must(t, kubectl(ctx, "-n", n, "patch", "deployment", walkthrough.App, "--type=strategic", "-p", read))
	climbs(t, ctx, n, walkthrough.App)
	inPhase(t, ctx, n, walkthrough.App, "Succeeded")
	must(t, kubectl(ctx, "-n", n, "patch", "configmap", "podinfo-settings", "--type=merge", "-p", `{"data":{"PODINFO_UI_MESSAGE":"second"}}`))
	climbs(t, ctx, n, walkthrough.App)
	message := func() string {
		text, err := cluster.Run(ctx, "-n", n, "get", "configmap", "podinfo-settings-primary", "-o", "jsonpath={.data.PODINFO_UI_MESSAGE}")
		must(t, err)
		return text
	}
	if got := message(); got != "first" {
		t.Errorf("before the promotion the primary reads %q", got)
	}
	inPhase(t, ctx, n, walkthrough.App, "Succeeded")
	if got := message(); got != "second" {
		t.Errorf("after the promotion the primary reads %q", got)
	}
}

func editAutoscaler(t *testing.T, ctx context.Context) {
	n := walkthrough.Namespace
	must(t, cluster.Release(ctx, walkthrough.Good))
	climbs(t, ctx, n, walkthrough.App)
	must(t, kubectl(ctx, "-n", n, "patch", "hpa", walkthrough.App, "--type=merge", "-p", `{"spec":{"maxReplicas":5}}`))
	must(t, walkthrough.Eventually(ctx, 10*time.Second, "the primary's autoscaler follows", func(ctx context.Context) error {
		upper, err := number(ctx, ".spec.maxReplicas", "hpa", walkthrough.App+"-primary")
		if err == nil && upper != 5 {
			err = fmt.Errorf("its upper bound is %d", upper)
		}
		return err
	}))
	if phase, _, err := phaseOf(ctx, n, walkthrough.App); err != nil || phase != "Progressing" {
		t.Errorf("the rollout was over by then: %s, %v", phase, err)
	}
	inPhase(t, ctx, n, walkthrough.App, "Succeeded")
	must(t, walkthrough.Eventually(ctx, time.Minute, "the target is idle", func(ctx context.Context) error {
		replicas, err := number(ctx, ".spec.replicas", "deployment", walkthrough.App)
		if err == nil && replicas != 0 {
			err = fmt.Errorf("it has %d replicas", replicas)
		}
		return err
	}))
}

func deleteCanary(t *testing.T, ctx context.Context) {
	n := walkthrough.Namespace
	must(t, kubectl(ctx, "-n", n, "delete", "canary", walkthrough.App, "--timeout=60s"))
	time.Sleep(15 * time.Second) // the garbage collector's
	for _, o := range []string{"deployment/podinfo-primary", "service/podinfo", "virtualservice/podinfo", "virtualrouter/podinfo", "virtualnode/podinfo-primary"} {
		must(t, kubectl(ctx, "-n", n, "get", o))
	}
	must(t, cluster.Demo(ctx, true))
	inPhase(t, ctx, n, walkthrough.App, "Initialized")
}

func revertCanary(t *testing.T, ctx context.Context) {
	n := walkthrough.Namespace
	must(t, kubectl(ctx, "-n", n, "patch", "canary", walkthrough.App, "--type=merge", "-p", `{"spec":{"revertOnDeletion":true}}`))
	must(t, walkthrough.Eventually(ctx, 30*time.Second, "the deletion will be held", func(ctx context.Context) error {
		text, err := cluster.Run(ctx, "-n", n, "get", "canary", walkthrough.App, "-o", "jsonpath={.metadata.finalizers}")
		if err == nil && !strings.Contains(text, "finalizer.flagger.app") {
			err = fmt.Errorf("finalizers %s", text)
		}
		return err
	}))
	must(t, kubectl(ctx, "-n", n, "delete", "canary", walkthrough.App, "--timeout=120s"))
	ready, err := number(ctx, ".status.readyReplicas", "deployment", walkthrough.App)
	if err != nil || ready < 2 {
		t.Errorf("the target has %d ready pods, %v", ready, err)
	}
	must(t, walkthrough.Eventually(ctx, 2*time.Minute, "the primary goes", func(ctx context.Context) error {
		text, err := cluster.Run(ctx, "-n", n, "get", "deployment", walkthrough.App+"-primary", "--ignore-not-found", "-o", "name")
		if err == nil && text != "" {
			err = fmt.Errorf("%s is still there", strings.TrimSpace(text))
		}
		return err
	}))
	for _, o := range []string{"service/podinfo", "virtualservice/podinfo", "virtualrouter/podinfo"} {
		must(t, kubectl(ctx, "-n", n, "get", o))
	}
}
