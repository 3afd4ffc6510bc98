package canary

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// beginPromotion gives the primary the revision that was judged. What the target holds by now does not matter.
func (p *pass) beginPromotion() {
	p.checked()
	p.emit(normal(ReasonPromoting, "Copying %s template spec to %s", p.target(), p.primary()))
	p.enter(canaryv1beta1.CanaryPhasePromoting)
	p.st.Rollout.Asked = ""
	p.wait(fmt.Sprintf("waits until %s runs the new revision", p.primary()))
}

// promote waits until the primary is ready on the new revision, then gives it its traffic back, at once or in steps.
func (p *pass) promote() {
	if p.st.Rollout.PromotionFailed {
		p.failPromotion("it did not get ready in time")
		return
	}
	if p.configsMoved() {
		p.restart(p.newRevisionMeanwhile())
		return
	}
	why := p.primaryNotReady()
	if p.pastDeadline(p.obs.Primary, why) {
		p.failPromotion(why)
		return
	}
	if why != "" {
		p.hold(ReasonPrimaryNotReady, "%s not ready: %s", p.primary(), why)
		return
	}
	step := p.analysis().StepWeightPromotion.IntOr(0)
	if step <= 0 || p.weight() == 0 || p.skipAnalysis() {
		if p.routed() {
			p.emit(normal(ReasonRouted, "Routing all traffic to primary"))
		}
		p.routeToPrimary()
		return
	}
	if p.tooEarly() {
		return
	}
	p.checked()
	p.setWeight(max(0, p.weight()-step))
	p.emit(normal(ReasonPromotionStep, "Advance %s primary weight %d", p.full(), fullWeight-p.weight()))
	if p.weight() == 0 {
		p.routeToPrimary()
	}
}

// configsMoved tells whether the configuration that was judged can no longer be had: somebody changed a source before the
// primary's copy was made. Once all copies are made, a change is the next revision's.
func (p *pass) configsMoved() bool {
	if p.obs.Target == nil || p.obs.TrackedConfigs == nil {
		return false
	}
	for key, judged := range p.st.Rollout.TrackedConfigs {
		if p.obs.CopiedConfigs[key] != judged && p.obs.TrackedConfigs[key] != judged {
			return true
		}
	}
	return false
}

func (p *pass) routeToPrimary() {
	p.enter(canaryv1beta1.CanaryPhaseFinalising)
	p.setWeight(0)
	p.wait("waits until no traffic reaches the canary")
}

// failPromotion gives up on a primary that does not get ready on the new revision. Its old template is copied back
// (see facts), so the revision that users have is whole again. Flagger sends everything to the canary instead. Where the
// primary has no pod left the canary keeps what it has until there is one.
func (p *pass) failPromotion(why string) {
	p.st.Rollout.PromotionFailed = true
	if !p.canLeave() {
		return
	}
	p.emit(warning(ReasonPromotionFailed, "Promotion of %s failed, primary not ready: %s", p.target(), why).
		alerting(canaryv1beta1.SeverityError, "Promotion failed, primary not ready: %s", why))
	p.fallBack(fmt.Sprintf("primary not ready: %s", why))
}

// finalise waits until no traffic reaches the canary. Only then may its pods go.
func (p *pass) finalise() {
	if !p.trafficLeft() {
		p.wait("waits until no traffic reaches the canary")
		return
	}
	r := p.st.Rollout
	reverted := r.Revision == p.st.LastPromotedSpec
	switch {
	case reverted: // said when it happened
	case p.skipAnalysis():
		p.emit(normal(ReasonSkipped, "Promotion completed! Canary analysis was skipped for %s", p.target()).
			alerting(canaryv1beta1.SeverityInfo, "Canary analysis was skipped, promotion finished."))
	default:
		p.emit(normal(ReasonPromoted, "Promotion completed! Scaling down %s", p.target()).
			alerting(canaryv1beta1.SeverityInfo, "Canary analysis completed successfully, promotion finished."))
	}
	p.enter(canaryv1beta1.CanaryPhaseSucceeded)
	p.setWeight(0)
	p.st.FailedChecks, p.st.Iterations = 0, 0
	p.st.LastPromotedSpec = r.Revision
	p.st.TrackedConfigs, r.PromotedControllerRevision = r.TrackedConfigs, p.rolloutKept()
	r.LastCheckTime = metav1.Time{}
	p.wait(p.idleWhy())
}
