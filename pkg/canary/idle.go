package canary

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// idle waits for a new revision: the primary serves, the target is at zero.
func (p *pass) idle() {
	if p.obs.Target == nil {
		p.targetMissing()
		return
	}
	if !p.isNew() {
		if p.revision() == p.st.LastPromotedSpec {
			// Back to what users have. The failed revision is forgotten, so that it can be tried again.
			p.st.LastAppliedSpec = p.st.LastPromotedSpec
		}
		p.st.Rollout.QueuedTime = metav1.Time{}
		p.wait(p.idleWhy())
		p.askPostRollout()
		return
	}
	if why := p.cannotStart(); why != "" {
		p.hold(ReasonBlocked, "Rollout of %s not started: %s", p.target(), why)
		return
	}
	if len(p.hooks(canaryv1beta1.ConfirmRolloutHook)) > 0 {
		p.enter(canaryv1beta1.CanaryPhaseWaiting)
		p.st.Rollout = p.newRollout()
		p.waiting()
		return
	}
	if !p.queued() {
		p.start()
	}
}

// idleWhy says what an idle Canary waits for. After a rollback that is less interesting than what it was rolled back for.
func (p *pass) idleWhy() string {
	if p.st.Phase == failed && p.was.Rollout != nil && strings.HasPrefix(p.was.Rollout.Why, rolledBack) {
		return p.was.Rollout.Why
	}
	return fmt.Sprintf("waits for a new revision of %s", p.target())
}

// revision names what the target holds now: its pod template, and the configuration that it reads where that is tracked.
func (p *pass) revision() string {
	return withConfigs(p.obs.Target.Revision, p.obs.TrackedConfigs)
}

// isNew tells whether the target holds neither what was promoted nor what was tried last.
func (p *pass) isNew() bool {
	rev := p.revision()
	return rev != "" && rev != p.st.LastPromotedSpec && rev != p.st.LastAppliedSpec
}

// cannotStart says why a rollout must not begin: what slipped past admission never starts.
func (p *pass) cannotStart() string {
	switch {
	case len(p.obs.Blockers) > 0:
		return list(p.obs.Blockers)
	case p.noStrategy() != "":
		return p.noStrategy()
	case !p.obs.MeshReady:
		return fmt.Sprintf("mesh objects or services are missing: %s", list(p.obs.Missing))
	case p.autoscaled() && p.obs.AutoscalerMissing:
		return fmt.Sprintf("%s %s does not exist", p.Spec.AutoscalerRef.Kind, p.Spec.AutoscalerRef.Name)
	case p.obs.Primary == nil:
		return fmt.Sprintf("%s does not exist", p.primary())
	case len(p.obs.ConfigsMissing) > 0:
		return list(p.obs.ConfigsMissing)
	case p.obs.Target.WontRoll != "":
		return fmt.Sprintf("pods of %s are not replaced: %s", p.target(), p.obs.Target.WontRoll)
	}
	return ""
}

// noStrategy says why the spec as it is does not lead to a promotion.
func (p *pass) noStrategy() string {
	if why := p.unsupportedStrategy(); why != "" {
		return why
	}
	if p.skipAnalysis() {
		return ""
	}
	if _, more := p.next(position{}); !more {
		return "the analysis has no step that shifts traffic"
	}
	return ""
}

// waiting is a new revision that waits for approval. Every interval the hooks are asked again.
func (p *pass) waiting() {
	switch {
	case p.obs.Target == nil:
		p.targetMissing()
		return
	case p.revision() == p.st.LastPromotedSpec:
		p.revert()
		return
	case p.revision() != p.st.Rollout.Revision:
		p.st.Rollout = p.newRollout()
	}
	if p.tooEarly() {
		return
	}
	if p.rollbackAsked() {
		p.st.LastAppliedSpec = p.revision() // tried, as far as it got: it is not new any more
		p.rollBack("manual webhook invoked", p.invoked())
		return
	}
	if len(p.ask) > 0 {
		return
	}
	if why := p.cannotStart(); why != "" { // nobody is asked to approve what cannot start
		p.hold(ReasonBlocked, "Rollout of %s not started: %s", p.target(), why)
		p.checked()
		return
	}
	if !p.approved(confirmRollout) {
		return
	}
	if p.queued() {
		p.checked()
		return
	}
	p.start()
}

// start begins the rollout of the target's revision.
func (p *pass) start() {
	p.emit(normal(ReasonNewRevision, "New revision detected! Scaling up %s", p.target()).
		alerting(canaryv1beta1.SeverityInfo, "New revision detected, progressing canary analysis.").with(p.aboutCanary()...))
	if p.intervalRaised() {
		p.emit(warning(ReasonIntervalRaised, "analysis.interval %s runs as %s", p.analysis().Interval, p.interval()))
	}
	p.sayWithoutMesh()
	p.reset(p.obs.Primary.Replicas)
	p.wait(fmt.Sprintf("scales up %s", p.target()))
}

// sayWithoutMesh says, in Flagger's words, what a release without a mesh makes do without.
func (p *pass) sayWithoutMesh() {
	if p.routed() || p.skipAnalysis() {
		return
	}
	if len(p.analysis().Match) > 0 {
		p.emit(warning(ReasonKubernetes, "A/B testing is not supported when using the kubernetes provider"))
	}
	if p.analysis().Iterations.IntOr(0) < 1 {
		p.emit(warning(ReasonKubernetes, "Progressive traffic is not supported when using the kubernetes provider"))
		p.emit(warning(ReasonKubernetes, "Setting canaryAnalysis.iterations: %d", defaultIterations))
	}
}

func (p *pass) newRevisionMeanwhile() Event {
	return normal(ReasonRestarted, "New revision detected! Restarting analysis for %s", p.target())
}

// restart begins again, with a revision that came while another was under analysis, or in another way.
func (p *pass) restart(say Event) {
	if !p.canLeave() {
		return
	}
	p.emit(say)
	floor := p.st.Rollout.MinPrimaryReplicas
	if p.obs.Primary != nil {
		floor = max(floor, p.obs.Primary.Replicas)
	}
	p.reset(floor)
	p.wait(fmt.Sprintf("rolls out %s from the beginning", p.target()))
}

// reset makes the state that of a rollout at its very beginning.
func (p *pass) reset(floor int32) {
	rev := p.revision()
	p.enter(canaryv1beta1.CanaryPhaseProgressing)
	p.setWeight(0)
	p.st.FailedChecks, p.st.Iterations = 0, 0
	p.st.LastAppliedSpec = rev
	r := p.newRollout()
	r.ControllerRevision, r.Strategy = revisionName(p.Name, rev), p.strategy()
	r.StartedTime, r.LastCheckTime = p.stamp(), p.stamp()
	r.MinPrimaryReplicas = max(1, floor)
	p.st.Rollout = r
}

// revert ends a rollout whose target went back to what users have: quietly, for nothing failed.
func (p *pass) revert() {
	if !p.canLeave() {
		return
	}
	p.emit(normal(ReasonReverted, "Revision of %s went back to the promoted one, routing all traffic to primary", p.target()))
	p.enter(canaryv1beta1.CanaryPhaseFinalising)
	p.setWeight(0)
	p.st.FailedChecks, p.st.Iterations = 0, 0
	p.st.LastAppliedSpec = p.st.LastPromotedSpec
	p.st.Rollout.Revision, p.st.Rollout.TrackedConfigs = p.st.LastPromotedSpec, p.st.TrackedConfigs
	p.st.Rollout.ControllerRevision = p.promotedKept()
	p.st.Rollout.LastCheckTime = metav1.Time{}
	p.wait("waits until no traffic reaches the canary")
}
