package canary

import "time"

// stuck tells whether the workload's own controller has given up on it, or it was unavailable longer than the deadline.
func (w *Workload) stuck(now time.Time, deadline time.Duration) bool {
	return w.DeadlineExceeded || w.Available.Status == "False" && w.Available.Reason == "MinimumReplicasUnavailable" &&
		!w.Available.Updated.IsZero() && now.Sub(w.Available.Updated) > deadline
}

// serves tells whether the workload has a pod that can take traffic.
func (w *Workload) serves() bool { return w != nil && w.Ready > 0 }
