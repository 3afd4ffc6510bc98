package canary

import (
	"fmt"
	"time"
)

// notReady says why a workload is not ready, in Flagger's words; empty when it is.
// percent is the share of the updated replicas that must be available.
func (w *Workload) notReady(percent int) string {
	switch enough := int32(int(w.Updated) * percent / 100); {
	case w.ObservedGeneration < w.Generation:
		return "waiting for rollout to finish: observed deployment generation less than desired generation"
	case w.DeadlineExceeded:
		return fmt.Sprintf("deployment %q exceeded its progress deadline", w.Name)
	case w.Updated < w.Replicas:
		return fmt.Sprintf("waiting for rollout to finish: %d out of %d new replicas have been updated", w.Updated, w.Replicas)
	case w.Total > w.Updated:
		return fmt.Sprintf("waiting for rollout to finish: %d old replicas are pending termination", w.Total-w.Updated)
	case w.AvailableReplicas < enough:
		return fmt.Sprintf("waiting for rollout to finish: %d of %d (readyThreshold %d%%) updated replicas are available",
			w.AvailableReplicas, w.Updated, percent)
	}
	return ""
}

// stuck tells whether the workload's own controller has given up on it, or it was unavailable longer than the deadline.
func (w *Workload) stuck(now time.Time, deadline time.Duration) bool {
	return w.DeadlineExceeded || w.Available.Status == "False" && w.Available.Reason == "MinimumReplicasUnavailable" &&
		!w.Available.Updated.IsZero() && now.Sub(w.Available.Updated) > deadline
}

// serves tells whether the workload has a pod that can take traffic.
func (w *Workload) serves() bool { return w != nil && w.Ready > 0 }
