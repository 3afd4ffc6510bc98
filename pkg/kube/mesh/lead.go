package mesh

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The Lease. Nothing that users wait for depends on it, so it is relaxed: a new writer within 15 s.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// lead writes whenever this replica holds the Lease, until ctx is done. Losing the Lease stops the writing and nothing
// else: every replica serves proxies.
func (c *Controller) lead(ctx context.Context) {
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: c.config.Namespace, Name: c.config.LeaseName},
			Client:     c.kube.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.config.Identity},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				c.log.Info("writing status: this replica holds the lease", "lease", c.config.LeaseName)
				newWriter(c).run(ctx)
			},
			OnStoppedLeading: func() {
				c.log.Info("not writing status: another replica may hold the lease", "lease", c.config.LeaseName)
			},
		},
	})
	if err != nil {
		// Only a wrong configuration can fail here.
		c.log.Error("leader election", "error", err)
		return
	}
	for ctx.Err() == nil {
		elector.Run(ctx)
	}
}
