package canary

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Whatever a status says and however little is observed, Next answers, leaves its input alone and keeps the laws.
func TestAnything(t *testing.T) {
	runs(t)
	rapid.Check(t, func(t *rapid.T) {
		c, obs := anyCanary(t), anyObservation(t)
		before := c.DeepCopy()
		plan := Next(c, obs)
		if diff := cmp.Diff(before, c); diff != "" {
			t.Fatalf("the input changed:\n%s", diff)
		}
		for _, law := range broken(c, obs, plan) {
			t.Fatal(law)
		}
		if plan.Why == "" {
			t.Fatalf("nobody knows what %s waits for", plan.Status.Phase)
		}
		if plan.After < 0 {
			t.Fatal("asks to be called in the past")
		}
	})
}

func anyCanary(t *rapid.T) *canaryv1beta1.Canary {
	c := podinfo()
	pick := func(from ...string) string { return rapid.SampledFrom(from).Draw(t, "word") }
	flag := func() bool { return rapid.IntRange(0, 5).Draw(t, "flag") == 0 }
	moment := func() metav1.Time {
		if flag() {
			return metav1.Time{}
		}
		return metav1.NewTime(epoch.Add(time.Duration(rapid.IntRange(-100, 10).Draw(t, "moment")) * time.Second))
	}
	if flag() {
		c.Spec.Analysis = nil
	} else {
		c.Spec.Analysis.Metrics = []canaryv1beta1.CanaryMetric{{Name: "request-success-rate", Threshold: num(99)}, {Name: "custom", Query: "up"}}
		for _, hook := range []string{"", "pre-rollout", "confirm-rollout", "confirm-promotion", "confirm-traffic-increase", "rollback", "post-rollout"} {
			if flag() {
				c.Spec.Analysis.Webhooks = append(c.Spec.Analysis.Webhooks, canaryv1beta1.CanaryWebhook{Name: "hook", Type: canaryv1beta1.HookType(hook)})
			}
		}
	}
	c.Spec.Suspend, c.Spec.SkipAnalysis = flag(), flag()
	if flag() {
		c.Annotations = map[string]string{AnnotationPaused: pick("", "true", "false", "by bob"), AnnotationRequest: pick("nonsense", "{}",
			`{"ask": "promote", "at": "2026-11-24T12:00:00Z"}`, `{"ask": "abort", "at": "2026-11-24T12:00:00Z"}`, `{"ask": "retry", "at": "2026-11-24T11:00:00Z"}`)}
	}
	phases := []canaryv1beta1.CanaryPhase{"Terminated", "Unheard"}
	for _, phase := range []string{"", "Initializing", "Initialized", "Waiting", "Progressing", "WaitingPromotion", "Promoting", "Finalising", "Succeeded", "Failed"} {
		phases = append(phases, canaryv1beta1.CanaryPhase(phase))
	}
	c.Status = canaryv1beta1.CanaryStatus{
		Phase:              rapid.SampledFrom(phases).Draw(t, "phase"),
		FailedChecks:       canaryv1beta1.Number(rapid.IntRange(0, 3).Draw(t, "failed")),
		LastAppliedSpec:    pick("", "00000000000000aa", "00000000000000bb", "5f8fd4f546"),
		LastPromotedSpec:   pick("", "00000000000000aa", "00000000000000bb", "5f8fd4f546"),
		LastTransitionTime: moment(),
	}
	if p := c.Status.Phase; p != failed && p != canaryv1beta1.CanaryPhaseSucceeded && p != canaryv1beta1.CanaryPhaseInitialized {
		c.Status.CanaryWeight = canaryv1beta1.Number(rapid.IntRange(0, 10).Draw(t, "weight") * 10)
	}
	if !flag() {
		c.Status.Rollout = &canaryv1beta1.RolloutStatus{
			Revision: pick("", "00000000000000aa", "00000000000000bb"), Why: pick("", suspendedBySpec, "rolled back: it failed"),
			StepReachedTime: moment(), StartedTime: moment(), LastCheckTime: moment(), NotReadySince: moment(),
		}
	}
	return c
}

func anyObservation(t *rapid.T) Observation {
	flag := func() bool { return rapid.IntRange(0, 2).Draw(t, "flag") == 0 }
	workload := func() *Workload {
		if flag() {
			return nil
		}
		n := rapid.Int32Range(0, 3)
		return &Workload{
			Name: "podinfo", Generation: 2, ObservedGeneration: rapid.Int64Range(1, 2).Draw(t, "generation"), DeadlineExceeded: flag() && flag(),
			Replicas: n.Draw(t, "replicas"), Total: n.Draw(t, "total"), Updated: n.Draw(t, "updated"), Ready: n.Draw(t, "ready"), AvailableReplicas: n.Draw(t, "available"),
			Revision: rapid.SampledFrom([]string{"", "00000000000000aa", "00000000000000bb"}).Draw(t, "revision"),
		}
	}
	o := Observation{Now: epoch.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "now")) * time.Millisecond), Target: workload(), Primary: workload(),
		MeshReady: !flag(), ApexReady: !flag(), AutoscalerMissing: false}
	if !flag() {
		w := rapid.IntRange(0, 10).Draw(t, "router") * 10
		o.Weights = &Weights{Primary: 100 - w, Canary: w}
	}
	if flag() {
		o.WeightsPending = []string{"client"}
	}
	if flag() {
		o.Blockers = []string{"a rule"}
	}
	if !flag() {
		o.Metrics = map[string]Measurement{
			"request-success-rate": {Value: rapid.Float64Range(90, 100).Draw(t, "rate"), NoData: flag()},
			"custom":               {Value: 1},
		}
	}
	return o
}

// One pass over a Canary that waits for its next check: what a thousand of them cost, a thousand times.
func BenchmarkNext(b *testing.B) {
	c := podinfo()
	c.Spec.Analysis.Metrics = []canaryv1beta1.CanaryMetric{{Name: "request-success-rate", Threshold: num(99)}}
	now := metav1.NewTime(epoch)
	c.Status = canaryv1beta1.CanaryStatus{
		Phase: progressing, CanaryWeight: 10, LastPromotedSpec: "00000000000000aa", LastAppliedSpec: "00000000000000bb",
		Rollout: &canaryv1beta1.RolloutStatus{Revision: "00000000000000bb", StepReachedTime: now, LastCheckTime: now, StartedTime: now},
	}
	w := &Workload{Replicas: 2, Total: 2, Updated: 2, Ready: 2, AvailableReplicas: 2, Revision: "00000000000000bb"}
	obs := Observation{Now: epoch.Add(time.Second), Target: w, Primary: w, MeshReady: true, Weights: &Weights{Primary: 90, Canary: 10}}
	for b.Loop() {
		Next(c, obs)
	}
}
