package canary

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// begin takes a Canary in hand. A primary that an earlier Canary left serves users with a version that was judged: it stays as it
// is, and what else the target holds by now is a new revision.
func (p *pass) begin() {
	if left := p.obs.Primary; left.serves() && isOurs(left.Revision) {
		p.st.LastPromotedSpec = left.Revision
	}
	p.enter(canaryv1beta1.CanaryPhaseInitializing)
	p.initialize()
}

// initialize brings up the primary beside the target, which serves until the primary does. Nothing here scales the
// target: if the primary never gets ready, all is as it was before the Canary came.
//
//	target found -> mesh objects, services -> primary, scaler -> primary ready -> apex and router on it -> Initialized
func (p *pass) initialize() {
	r := p.st.Rollout
	if p.obs.Target == nil {
		p.targetMissing()
		return
	}
	// The primary follows the target until it is ready, so a broken first image can simply be fixed.
	r.Revision, r.TrackedConfigs = p.revision(), p.obs.TrackedConfigs
	if left := p.leftBehind(); left != "" && left != r.Revision {
		r.Revision, r.TrackedConfigs = left, nil
	}
	r.ControllerRevision = revisionName(p.Name, r.Revision)
	if !p.obs.MeshReady {
		p.wait(fmt.Sprintf("waits for the mesh objects and services: %s", list(p.obs.Missing)))
		return
	}
	if len(p.obs.ConfigsMissing) > 0 {
		p.hold(ReasonBlocked, "%s", list(p.obs.ConfigsMissing))
		return
	}
	if p.obs.Primary == nil {
		p.wait(fmt.Sprintf("waits for %s", p.primary()))
		return
	}
	if why := p.primaryNotReady(); why != "" {
		p.hold(ReasonPrimaryNotReady, "%s not ready: %s", p.primary(), why)
		return
	}
	if r.LastCheckTime.IsZero() {
		r.LastCheckTime = p.stamp() // the moment of taking over; weights() reads it
		r.StepReachedTime = metav1.Time{}
		p.wait(fmt.Sprintf("routes all traffic to %s", p.primary()))
		p.wake(1)
		return
	}
	if !p.obs.ApexReady || !p.reached() {
		p.wait(fmt.Sprintf("waits until all traffic reaches %s", p.primary()))
		return
	}
	p.enter(canaryv1beta1.CanaryPhaseInitialized)
	p.st.LastAppliedSpec, p.st.LastPromotedSpec = r.Revision, r.Revision
	p.st.TrackedConfigs, r.PromotedControllerRevision = r.TrackedConfigs, r.ControllerRevision
	if r.Revision != p.revision() {
		r.PromotedControllerRevision = "" // of a primary that was left behind: see keepLeft
	}
	p.st.CanaryWeight, p.st.FailedChecks, p.st.Iterations = 0, 0, 0
	p.emit(normal(ReasonInitialized, "Initialization done! %s", p.full()).
		alerting(canaryv1beta1.SeverityInfo, "New %s detected, initialization completed.", p.Spec.TargetRef.Kind).with(p.aboutCanary()...))
	p.wait(p.idleWhy())
}

// leftBehind is the revision of a primary that was there before this Canary; empty when there was none.
func (p *pass) leftBehind() string {
	if p.st.Phase != canaryv1beta1.CanaryPhaseInitializing {
		return ""
	}
	return p.st.LastPromotedSpec
}

// primaryTookOver tells whether the primary was ready once during initialisation and can still take traffic.
// A target without a pod has nothing to lose: then the primary is the better address in any case.
func (p *pass) primaryTookOver() bool {
	if p.obs.Primary.serves() && !p.st.Rollout.LastCheckTime.IsZero() {
		return true
	}
	return !p.obs.Target.serves()
}

// primaryNotReady says why the primary does not run the rollout's revision with enough pods; empty when it does.
func (p *pass) primaryNotReady() string {
	w := p.obs.Primary
	switch {
	case w == nil:
		return "it does not exist yet"
	case w.Revision != p.st.Rollout.Revision:
		return "waiting for rollout to finish: the new template was not copied yet"
	}
	return p.kind().notReady(w, p.primaryReadyPercent())
}

func (p *pass) targetMissing() {
	p.hold(ReasonTargetMissing, "%s", p.withRules(fmt.Sprintf("%s %s not found", p.Spec.TargetRef.Kind, p.target())))
}

// withRules adds to a sentence what the rulebook says of the same, with ids and remedies.
func (p *pass) withRules(sentence string) string {
	if len(p.obs.Blockers) == 0 {
		return sentence
	}
	return fmt.Sprintf("%s (%s)", sentence, list(p.obs.Blockers))
}
