//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/tally"
	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// rate keeps the promised 50 requests a second well exceeded at the short intervals, so that 5,000 fit in a rollout.
const rate = 150

// enough is how many answers each of promotion and rollback is judged on.
const enough = 5000

// TestWalkthrough is the film of the README: a good release climbs and is promoted, a bad one is rolled back,
// while a plain client outside sees no failure and each weight as a share of its answers.
func TestWalkthrough(t *testing.T) {
	must(t, demo())
	ctx := testContext(t, 20*time.Minute)
	w := cluster.Watch(ctx, walkthrough.Namespace, walkthrough.App, func(s walkthrough.State) {
		t.Logf("%s weight %d failed checks %d: %s", s.Phase, s.Weight, s.Failed, s.Why)
	})
	log := &messages{}
	cluster.Log(ctx, log.add)
	loading, stop := context.WithCancel(ctx)
	load, done := walkthrough.StartLoad(loading, gateway, rate)
	defer func() { stop(); <-done }()

	t.Run("a good release is promoted", func(t *testing.T) { promote(t, ctx, w, load, log) })
	t.Run("a restart of mesh under load fails no request", func(t *testing.T) { restartMesh(t, ctx, load) })
	t.Run("a bad release is rolled back, with every webhook pod dead", func(t *testing.T) { rollBack(t, ctx, w, load, log) })
}

func promote(t *testing.T, ctx context.Context, w *walkthrough.Watcher, load *walkthrough.Load, log *messages) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	began := time.Now()
	must(t, cluster.Release(ctx, walkthrough.Good))
	// Until it starts the phase is that of the release before: what the rulebook wants mended may hold it.
	started, err := w.Until(ctx, began, "the start of the rollout", walkthrough.InPhase("Progressing"))
	must(t, err)
	end, err := w.Until(ctx, started.At, "the end of the rollout", walkthrough.InPhase("Succeeded", "Failed"))
	must(t, err)
	if end.Phase != "Succeeded" {
		t.Fatalf("the good release ended as %s: %s", end.Phase, end.Why)
	}
	judgeShares(t, w, load, began, end.At)
	collect(t, ctx, load, began, walkthrough.Good)
	log.want(t, ctx,
		"New revision detected! Scaling up podinfo.demo",
		"Starting canary analysis for podinfo.demo",
		"Pre-rollout check acceptance-test passed",
		"Advance podinfo.demo canary weight 5",
		"Advance podinfo.demo canary weight 50",
		"Copying podinfo.demo template spec to podinfo-primary.demo",
		"Routing all traffic to primary",
		"Promotion completed! Scaling down podinfo.demo",
	)
}

// steps are the weights that are judged. More would make a band of 99.9 % fail by chance now and then.
var steps = []int{10, 30, 50}

// judgeShares compares the share of the new version with the weight in force, and the climb with the Canary's spec.
func judgeShares(t *testing.T, w *walkthrough.Watcher, load *walkthrough.Load, from, to time.Time) {
	judged, top := 0, 0
	states := w.States()
	for i, s := range states {
		if s.At.Before(from) || s.At.After(to) || s.Phase != "Progressing" || s.Weight == 0 {
			continue
		}
		top = max(top, s.Weight)
		end := to
		for _, later := range states[i+1:] {
			if later.Weight != s.Weight || later.Phase != s.Phase {
				end = later.At
				break
			}
		}
		if i > 0 && states[i-1].Weight == s.Weight && states[i-1].Phase == s.Phase {
			continue // the same step, seen again
		}
		// A step is in force a moment after the status says so: the record precedes the act.
		answers := load.Between(s.At.Add(700*time.Millisecond), end.Add(-200*time.Millisecond))
		if len(answers) < 100 {
			continue
		}
		got := answers.Of(walkthrough.Good)
		low, high := tally.Band(len(answers), float64(s.Weight)/100)
		t.Logf("weight %2d: %4d of %4d answers are new (band %d to %d)", s.Weight, got, len(answers), low, high)
		if !slices.Contains(steps, s.Weight) {
			continue
		}
		judged++
		if got < low || got > high {
			t.Errorf("at weight %d, %d of %d answers are from the new version, outside the 99.9 %% band %d to %d", s.Weight, got, len(answers), low, high)
		}
	}
	if judged < len(steps) {
		t.Errorf("only %d steps could be judged, want %d", judged, len(steps))
	}
	if top != 50 {
		t.Errorf("the climb ended at weight %d, want 50", top)
	}
}

// collect waits until enough answers are in since began, wants no failure among them, and only version at the end.
func collect(t *testing.T, ctx context.Context, load *walkthrough.Load, began time.Time, version string) {
	must(t, walkthrough.Eventually(ctx, 3*time.Minute, "enough answers", func(context.Context) error {
		if n := len(load.Between(began, time.Now())); n < enough {
			return fmt.Errorf("%d answers", n)
		}
		return nil
	}))
	time.Sleep(2 * time.Second)
	last := load.Between(time.Now().Add(-1500*time.Millisecond), time.Now().Add(-300*time.Millisecond))
	if n := last.Of(version); n == 0 || n != len(last) {
		t.Errorf("at the end %d of %d answers are from %s", n, len(last), version)
	}
	noFailures(t, load.Between(began, time.Now()))
}

func noFailures(t *testing.T, answers walkthrough.Answers) {
	t.Helper()
	failed := answers.Failures()
	t.Logf("%d requests, %d failed", len(answers), len(failed))
	for i, a := range failed {
		if i == 10 {
			break
		}
		t.Errorf("request sent %s, failed after %s: %s", a.Sent.Format("15:04:05.000"), a.Done.Sub(a.Sent).Round(time.Millisecond), a.Err)
	}
}

func restartMesh(t *testing.T, ctx context.Context, load *walkthrough.Load) {
	began := time.Now()
	must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "restart", "deploy/sluice-mesh"))
	must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "status", "deploy/sluice-mesh", "--timeout=120s"))
	time.Sleep(3 * time.Second)
	noFailures(t, load.Between(began, time.Now()))
}

// rollBack kills the webhook once the analysis runs: nothing on the way back may need it.
func rollBack(t *testing.T, ctx context.Context, w *walkthrough.Watcher, load *walkthrough.Load, log *messages) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	began := time.Now()
	must(t, cluster.Release(ctx, walkthrough.Bad))
	started, err := w.Until(ctx, began, "the first steps", func(s walkthrough.State) bool { return s.Phase == "Progressing" && s.Weight >= 10 })
	must(t, err)
	must(t, kubectl(ctx, "-n", "sluice-system", "scale", "deploy/sluice-webhook", "--replicas=0"))
	must(t, kubectl(ctx, "-n", "sluice-system", "delete", "pods", "-l", "app.kubernetes.io/name=sluice-webhook", "--force", "--grace-period=0"))
	defer func() {
		must(t, kubectl(ctx, "-n", "sluice-system", "scale", "deploy/sluice-webhook", "--replicas=2"))
		must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "status", "deploy/sluice-webhook", "--timeout=120s"))
	}()
	hurting, stop := context.WithCancel(ctx)
	defer stop()
	hurt := time.Now()
	cluster.Hurt(hurting, 3*time.Minute)
	end, err := w.Until(ctx, started.At, "the rollback", walkthrough.InPhase("Failed", "Succeeded"))
	must(t, err)
	if end.Phase != "Failed" || end.Weight != 0 {
		t.Fatalf("the bad release ended as %s with weight %d", end.Phase, end.Weight)
	}
	collect(t, ctx, load, began, walkthrough.Good)
	log.want(t, ctx,
		"Halt podinfo.demo advancement success rate",
		"Rolling back podinfo.demo failed checks threshold reached 10",
		"Canary failed! Scaling down podinfo.demo",
	)
	neverAbove(t, w.States(), hurt)
}

// neverAbove wants no step up after the first check that failed since from.
func neverAbove(t *testing.T, states []walkthrough.State, from time.Time) {
	before, weight := -1, -1
	for _, s := range states {
		if s.Phase != "Progressing" {
			continue
		}
		if s.At.Before(from) || before < 0 {
			before = s.Failed
			continue
		}
		if s.Failed == before && weight < 0 {
			continue
		}
		if weight >= 0 && s.Weight > weight {
			t.Errorf("the weight rose from %d to %d after %d failed checks", weight, s.Weight, s.Failed)
		}
		weight = s.Weight
	}
}
