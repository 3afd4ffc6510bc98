package canary

import (
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// latencyQuantile is the quantile that request-duration judges.
const latencyQuantile = 0.99

// Measure reads a built-in metric from what was counted in its span. It is false for a metric that is not built
// in. unreachable names the pods that could not be polled.
func Measure(metric string, w gate.Window, unreachable []string) (Measurement, bool) {
	m := Measurement{Unreachable: unreachable, Samples: int64(w.Requests)}
	var ok bool
	switch metric {
	case canaryv1beta1.MetricRequestSuccessRate:
		m.Value, ok = w.SuccessRate()
		m.Unreached = int64(w.Unreached)
	case canaryv1beta1.MetricRequestDuration:
		m.Value, ok = w.Quantile(latencyQuantile)
	default:
		return Measurement{}, false
	}
	m.NoData = !ok
	return m, true
}

// Watches tells whether the Envoys of the target's pods are to be read now: while a version is under analysis. At
// every other time nobody polls anything.
func Watches(c *canaryv1beta1.Canary) bool {
	switch c.Status.Phase {
	case canaryv1beta1.CanaryPhaseProgressing, canaryv1beta1.CanaryPhaseWaitingPromotion:
		return !IsSuspended(c) && c.DeletionTimestamp == nil
	}
	return false
}

// MayStart tells whether the rulebook's blockers can matter now: before a rollout and until its first step. A rollout
// under way is never held by them, so nobody needs to work them out.
func MayStart(c *canaryv1beta1.Canary) bool {
	switch c.Status.Phase {
	case canaryv1beta1.CanaryPhaseInitialized, canaryv1beta1.CanaryPhaseSucceeded, canaryv1beta1.CanaryPhaseFailed,
		canaryv1beta1.CanaryPhaseWaiting:
		return true
	case canaryv1beta1.CanaryPhaseProgressing:
		return !underway(&c.Status)
	}
	return false
}
