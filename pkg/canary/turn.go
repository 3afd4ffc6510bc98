package canary

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Turn is a Canary's place among those that want to roll out at the same time. Only a start ever waits for it: a rollout
// that runs and a rollback never do.
type Turn struct {
	// Limit is how many rollouts may run at the same time, 0 for any number.
	Limit int
	// Running is how many rollouts of other Canaries run.
	Running int
	// Ahead is how many others wait and come first.
	Ahead int
}

// come tells whether a rollout may start now.
func (t Turn) come() bool { return t.Limit == 0 || t.Running+t.Ahead < t.Limit }

// TurnOf finds a Canary's place among all. Who waits longest comes first, and a name decides between equals.
func TurnOf(c *canaryv1beta1.Canary, all []*canaryv1beta1.Canary, limit int) Turn {
	t := Turn{Limit: limit}
	for _, other := range all {
		switch {
		case other.Namespace == c.Namespace && other.Name == c.Name:
		case IsRollingOut(other):
			t.Running++
		case IsQueued(other) && (!IsQueued(c) || before(other, c)):
			t.Ahead++
		}
	}
	return t
}

// IsRollingOut tells whether a Canary has a rollout under way. One that is suspended keeps nobody waiting.
func IsRollingOut(c *canaryv1beta1.Canary) bool {
	switch c.Status.Phase {
	case progressing, waitingPromotion, canaryv1beta1.CanaryPhasePromoting, canaryv1beta1.CanaryPhaseFinalising:
		return !IsSuspended(c) && c.DeletionTimestamp == nil
	}
	return false
}

// IsQueued tells whether a Canary waits for its turn.
func IsQueued(c *canaryv1beta1.Canary) bool {
	return isIdle(c.Status.Phase) && !IsSuspended(c) && c.DeletionTimestamp == nil &&
		c.Status.Rollout != nil && !c.Status.Rollout.QueuedTime.IsZero()
}

func before(a, b *canaryv1beta1.Canary) bool {
	return cmp.Or(a.Status.Rollout.QueuedTime.Compare(b.Status.Rollout.QueuedTime.Time),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) < 0
}

// queued tells whether the start has to wait for others, and says so.
func (p *pass) queued() bool {
	r, t := p.st.Rollout, p.obs.Turn
	if t.come() {
		r.QueuedTime = metav1.Time{}
		return false
	}
	place := fmt.Sprintf("%d of at most %d rollouts run, place %d in the queue", t.Running, t.Limit, t.Ahead+1)
	p.wait("waits for its turn: " + place)
	if r.QueuedTime.IsZero() {
		r.QueuedTime = p.stamp()
		p.emit(normal(ReasonQueued, "New revision of %s waits for its turn: %s", p.target(), place))
	}
	return true
}
