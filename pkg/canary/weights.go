package canary

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// weights are what the apex router must hold in this state. They follow from the state, never from the router.
func (p *pass) weights() Weights {
	w := p.weight()
	if p.st.Phase == canaryv1beta1.CanaryPhaseInitializing && !p.primaryTookOver() {
		// The target has not been copied yet. It serves, so callers must reach it: under the canary's name, which
		// is the name that its pods will keep.
		return Weights{Canary: fullWeight}
	}
	if p.st.Rollout.Strategy == canaryv1beta1.StrategyABTesting {
		return Weights{Primary: fullWeight, Matched: w}
	}
	return Weights{Primary: fullWeight - w, Canary: w, Mirror: p.mirror(), Cookies: p.cookies()}
}

// inForce tells whether every caller has the weights of the state, or had long enough to get them.
func (p *pass) inForce() bool {
	if !p.held() {
		return false
	}
	return len(p.obs.WeightsPending) == 0 || p.stale()
}

// held tells whether the apex router holds the weights of the state. Without a mesh there is nothing to hold, unless one was left
// behind.
func (p *pass) held() bool {
	if p.obs.Weights == nil {
		return !p.routed()
	}
	return *p.obs.Weights == p.weights()
}

// stale tells whether a weight waited for its proxies for so long that it counts without them.
func (p *pass) stale() bool {
	return len(p.obs.WeightsPending) > 0 && p.obs.Now.Sub(p.weightsSince()) >= staleAfter
}

// weightsSince is when the weights of the state were decided.
func (p *pass) weightsSince() time.Time {
	if p.st.Phase == canaryv1beta1.CanaryPhaseInitializing && !p.st.Rollout.LastCheckTime.IsZero() {
		return p.st.Rollout.LastCheckTime.Time
	}
	return p.st.LastTransitionTime.Time
}

// observeWeights keeps track of when the step's weight was reached, and notices when somebody else changed it.
func (p *pass) observeWeights() {
	r := p.st.Rollout
	if p.obs.Weights == nil && p.routed() {
		return
	}
	want, reached := p.weights(), !r.StepReachedTime.IsZero()
	switch {
	case !p.held() && reached && !p.undecided():
		// It was in force, so this is no write of ours that is still under way.
		r.StepReachedTime = metav1.Time{}
		if p.obs.Weights.Shares() == want.Shares() {
			return // the spec changed something that goes with them
		}
		p.emit(warning(ReasonWeightsRepaired, "Weights of %s were changed to %s, putting back %s",
			p.apex()+"."+p.Namespace, p.obs.Weights, want))
	case !reached && p.inForce():
		r.StepReachedTime = p.stamp()
		if p.stale() {
			p.countedStale = true
			p.emit(warning(ReasonProxiesStale, "Weights of %s count as reached without %s",
				p.apex()+"."+p.Namespace, strings.Join(p.obs.WeightsPending, ", ")))
		}
	case !reached:
		p.wake(max(time.Second, staleAfter-p.obs.Now.Sub(p.weightsSince())))
	}
}

// undecided tells whether the initialisation still sends callers to whichever of target and primary has a pod: the
// weights follow that, and nobody else changed them.
func (p *pass) undecided() bool {
	return p.st.Phase == canaryv1beta1.CanaryPhaseInitializing && p.st.Rollout.LastCheckTime.IsZero()
}

// canLeave tells whether the canary's traffic may go to the primary now. Nothing else ever stands in its way, but a
// primary without a ready pod would answer nobody: then the weight is held, never raised, until there is one.
func (p *pass) canLeave() bool {
	if p.weight() == 0 || p.obs.Primary.serves() {
		return true
	}
	e := warning(ReasonRollbackHeld, "Traffic of %s stays at canary weight %d: %s has no ready endpoint", p.full(), p.weight(), p.primary())
	if p.wait(e.Message); !p.said(e.Message) {
		p.emit(e.alerting(canaryv1beta1.SeverityError, "%s", e.Message).once("primary down " + p.step()))
	}
	p.wake(time.Second)
	return false
}

// reached tells whether the weights of the state were in force once and nobody has changed them since. A caller that
// starts later and has not acknowledged yet does not change that.
func (p *pass) reached() bool {
	return !p.st.Rollout.StepReachedTime.IsZero() && p.held()
}

// trafficLeft tells whether no caller sends anything to the canary any more.
func (p *pass) trafficLeft() bool {
	return !p.weights().ReachCanary() && p.reached() && (p.routed() || p.obs.ApexReady)
}
