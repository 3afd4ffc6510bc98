package canary

import (
	"fmt"
	"slices"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Finalizer on a Canary with revertOnDeletion holds its deletion until the target serves again.
const Finalizer = "finalizer.flagger.app"

// hasFinalizer tells whether the deletion waits for us.
func (p *pass) hasFinalizer() bool { return slices.Contains(p.Finalizers, Finalizer) }

// terminating is a Canary that is being deleted. Without the finalizer nothing is left to decide: what serves users stays,
// for it belongs to the target too. With it the target takes over first, so that the primary can go:
//
//	target has pods, ready -> router and apex Service on it -> in force -> the primary's objects go with the Canary
func (p *pass) terminating() {
	switch {
	case !p.hasFinalizer():
		p.handsOff = true
		p.wait("is being deleted")
	case p.st.Phase == canaryv1beta1.CanaryPhaseTerminated:
		p.wait("waits for its deletion")
	case p.unserved() != "" || !p.Spec.RevertOnDeletion || p.obs.Target == nil || p.obs.Primary == nil:
		p.terminated() // nothing to hand over, or nobody to hand it to
	default:
		p.handOver()
	}
}

// handOver gives the target its pods back, then its callers.
func (p *pass) handOver() {
	if p.st.Phase != canaryv1beta1.CanaryPhaseTerminating {
		p.emit(normal(ReasonTerminating, "Terminating canary %s", p.full()))
		p.enter(canaryv1beta1.CanaryPhaseTerminating)
	}
	p.observeWeights()
	if p.weight() < fullWeight {
		if why := p.targetNotUp(); why != "" {
			p.hold(ReasonCanaryNotReady, "canary %s %s not ready: %s", p.kindLower(), p.target(), why)
			return
		}
		p.st.Rollout.Strategy = canaryv1beta1.StrategyWeighted // everybody, whatever a test had shared out
		p.setWeight(fullWeight)
	}
	if !p.reached() || !p.obs.ApexOnTarget {
		p.wait(fmt.Sprintf("waits until all traffic reaches %s", p.target()))
		return
	}
	p.terminated()
}

func (p *pass) terminated() {
	p.emit(normal(ReasonTerminated, "Terminated canary %s", p.full()))
	p.enter(canaryv1beta1.CanaryPhaseTerminated)
	p.wait("waits for its deletion")
}

// targetNotUp says why the target cannot take all traffic yet.
func (p *pass) targetNotUp() string {
	if n := p.fullReplicas(); p.obs.Target.Replicas < n {
		return fmt.Sprintf("waiting for rollout to finish: %d of %d replicas are wanted", p.obs.Target.Replicas, n)
	}
	return p.canaryNotReady()
}

// fullReplicas is how many pods the target needs to serve everybody: as many as the primary has, as far as its
// autoscaler lets it.
func (p *pass) fullReplicas() int32 {
	if p.obs.Primary == nil || !p.kind().Autoscaled() {
		return 1
	}
	n := max(1, p.obs.Primary.Replicas)
	if a := p.obs.Autoscaler; a != nil && a.MaxReplicas > 0 {
		n = min(n, a.MaxReplicas)
	}
	return n
}

// terminatingFacts are those of a deletion that waits for us.
func (p *pass) terminatingFacts() []Fact {
	if p.st.Phase == canaryv1beta1.CanaryPhaseTerminated {
		return []Fact{PrimaryReleased{}, Held{By: false}}
	}
	out := join(p.targetScaler(false), TargetScale{Replicas: p.fullReplicas(), Raise: true}, p.route())
	if p.weight() == fullWeight {
		out = append(out, ApexService{Target: true})
	}
	return out
}

// finalizer keeps the deletion from passing us by, where that was asked for.
func (p *pass) finalizer() []Fact {
	if p.hasFinalizer() == p.Spec.RevertOnDeletion {
		return nil
	}
	return []Fact{Held{By: p.Spec.RevertOnDeletion}}
}
