package canary

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestTurnOf(t *testing.T) {
	one := func(name string, phase canaryv1beta1.CanaryPhase, queued int, suspended bool) *canaryv1beta1.Canary {
		c := &canaryv1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name}}
		c.Spec.Suspend = suspended
		c.Status.Phase, c.Status.Rollout = phase, &canaryv1beta1.RolloutStatus{}
		if queued > 0 {
			c.Status.Rollout.QueuedTime = metav1.NewTime(epoch.Add(time.Duration(queued) * time.Second))
		}
		return c
	}
	all := []*canaryv1beta1.Canary{
		one("runs", progressing, 0, false),
		one("promotes", canaryv1beta1.CanaryPhasePromoting, 0, false),
		one("is-suspended", progressing, 0, true),
		one("initialises", canaryv1beta1.CanaryPhaseInitializing, 0, false),
		one("first", canaryv1beta1.CanaryPhaseSucceeded, 5, false),
		one("second", failed, 9, false),
		one("third", failed, 9, false),
		one("idle", canaryv1beta1.CanaryPhaseSucceeded, 0, false),
	}
	for name, c := range map[string]struct {
		canary string
		want   Turn
	}{
		"who waits longest is next":           {"first", Turn{3, 2, 0}},
		"then the others, by name at a tie":   {"third", Turn{3, 2, 2}},
		"who comes new is behind all of them": {"idle", Turn{3, 2, 3}},
		"who runs does not count itself":      {"runs", Turn{3, 1, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, candidate := range all {
				if candidate.Name == c.canary {
					if diff := cmp.Diff(c.want, TurnOf(candidate, all, 3)); diff != "" {
						t.Error(diff)
					}
				}
			}
		})
	}
}
