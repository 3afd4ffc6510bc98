package canary

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

func TestMeasure(t *testing.T) {
	busy := gate.Window{Requests: 200, Failures: 5, Latency: []gate.Bucket{{UpperMS: 100, Count: 198}, {UpperMS: 200, Count: 200}}}
	cases := map[string]struct {
		metric  string
		window  gate.Window
		want    Measurement
		builtin bool
	}{
		"success rate in percent":            {"request-success-rate", busy, Measurement{Value: 97.5, Samples: 200}, true},
		"p99 in milliseconds":                {"request-duration", busy, Measurement{Value: 100, Samples: 200}, true},
		"no request gives no success rate":   {"request-success-rate", gate.Window{}, Measurement{NoData: true}, true},
		"no request gives no duration":       {"request-duration", gate.Window{}, Measurement{NoData: true}, true},
		"any other metric is not ours to do": {"error-budget", busy, Measurement{}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, builtin := Measure(tc.metric, tc.window, nil)
			got.Value = math.Round(got.Value*1000) / 1000
			if diff := cmp.Diff(tc.want, got); diff != "" || builtin != tc.builtin {
				t.Errorf("builtin %v (-want +got):\n%s", builtin, diff)
			}
		})
	}
	if got, _ := Measure("request-success-rate", busy, []string{"podinfo-1"}); !cmp.Equal(got.Unreachable, []string{"podinfo-1"}) {
		t.Errorf("unreachable pods must not be forgotten: %+v", got)
	}
}

func TestWatchesAndMayStart(t *testing.T) {
	cases := map[string]struct {
		phase             canaryv1beta1.CanaryPhase
		weight            canaryv1beta1.Number
		change            func(*canaryv1beta1.Canary)
		watches, mayStart bool
	}{
		"nobody has looked at it":      {phase: ""},
		"the primary comes up":         {phase: canaryv1beta1.CanaryPhaseInitializing},
		"it is idle":                   {phase: canaryv1beta1.CanaryPhaseInitialized, mayStart: true},
		"it was promoted":              {phase: canaryv1beta1.CanaryPhaseSucceeded, mayStart: true},
		"it was rolled back":           {phase: canaryv1beta1.CanaryPhaseFailed, mayStart: true},
		"it waits for approval":        {phase: canaryv1beta1.CanaryPhaseWaiting, mayStart: true},
		"it scales up":                 {phase: canaryv1beta1.CanaryPhaseProgressing, watches: true, mayStart: true},
		"it has traffic":               {phase: canaryv1beta1.CanaryPhaseProgressing, weight: 5, watches: true},
		"it waits for its promotion":   {phase: canaryv1beta1.CanaryPhaseWaitingPromotion, weight: 50, watches: true},
		"it is being promoted":         {phase: canaryv1beta1.CanaryPhasePromoting, weight: 50},
		"it is suspended with traffic": {canaryv1beta1.CanaryPhaseProgressing, 5, func(c *canaryv1beta1.Canary) { c.Spec.Suspend = true }, false, false},
		"it is being deleted in the midst": {canaryv1beta1.CanaryPhaseProgressing, 5, func(c *canaryv1beta1.Canary) {
			c.DeletionTimestamp = &metav1.Time{}
		}, false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := &canaryv1beta1.Canary{Status: canaryv1beta1.CanaryStatus{Phase: tc.phase, CanaryWeight: tc.weight}}
			if tc.change != nil {
				tc.change(c)
			}
			if got := Watches(c); got != tc.watches {
				t.Errorf("watches: %v", got)
			}
			if got := MayStart(c); got != tc.mayStart {
				t.Errorf("may start: %v", got)
			}
		})
	}
}
