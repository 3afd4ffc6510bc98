package canary

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// progress takes the canary from step to step. What can only lower the weight comes first and waits for nothing;
// what can raise it comes last.
func (p *pass) progress() {
	switch {
	case p.obs.Target == nil:
		e := warning(ReasonTargetMissing, "%s %s not found", p.Spec.TargetRef.Kind, p.target())
		p.rollBack(e.Message, e)
		return
	case p.revision() == p.st.LastPromotedSpec:
		p.revert()
		return
	case p.revision() != p.st.Rollout.Revision:
		p.restart(p.newRevisionMeanwhile())
		return
	case p.strategyChanged():
		p.restart(normal(ReasonRestarted, "Strategy changed to %s! Restarting analysis for %s", p.strategy(), p.target()))
		return
	case p.st.FailedChecks.Int() >= p.threshold():
		p.rollBackAtThreshold() // it was held because the primary had no endpoint
		return
	}
	if p.failedContinuously() {
		return
	}
	notReady := p.canaryNotReady()
	if p.pastDeadline(p.obs.Target, notReady) {
		e := warning(ReasonCanaryNotReady, "canary %s %s not ready: %s", p.kindLower(), p.target(), notReady)
		p.rollBack(e.Message, e, warning(ReasonRollingBack, "Rolling back %s progress deadline exceeded %s", p.full(), notReady).
			alerting(canaryv1beta1.SeverityError, "Progress deadline exceeded %s", notReady))
		return
	}
	if p.skipAnalysis() || p.st.Rollout.Asked == canaryv1beta1.RequestPromote {
		p.skip(notReady)
		return
	}
	if p.tooEarly() {
		return
	}
	p.check(notReady)
}

// canaryNotReady says why the canary cannot be judged yet; empty when it can.
func (p *pass) canaryNotReady() string {
	w := p.obs.Target
	if w.Replicas == 0 {
		return "waiting for rollout to finish: it is still scaled to zero"
	}
	return p.kind().notReady(w, p.canaryReadyPercent())
}

// pastDeadline keeps the clock of a workload that is not ready. A canary of which only some pods crash stays Available
// for its own controller, so this clock is ours: it runs from the first pass that saw the workload not ready.
func (p *pass) pastDeadline(w *Workload, notReady string) bool {
	r := p.st.Rollout
	if notReady == "" {
		r.NotReadySince = metav1.Time{}
		return false
	}
	if r.NotReadySince.IsZero() {
		r.NotReadySince = p.stamp()
	}
	end := r.NotReadySince.Add(p.deadline())
	if w != nil && w.stuck(p.obs.Now, p.deadline()) || p.obs.Now.After(end) {
		return true
	}
	p.wakeAt(end.Add(time.Millisecond))
	return false
}

// tooEarly tells whether the next check is not due yet, and says when it is.
func (p *pass) tooEarly() bool {
	due := p.due()
	if !p.obs.Now.Before(due) {
		return false
	}
	p.wait(fmt.Sprintf("waits for the check at %s", due.UTC().Format(time.TimeOnly)))
	p.wakeAt(due)
	return true
}

// due is when the next check happens: one interval after the last, measured from the state, so a restarted process
// neither checks early nor catches up. A step that took long to reach the callers gets at least half an interval,
// and a process that has just begun to watch the pods watches them for one interval first.
func (p *pass) due() time.Time {
	r := p.st.Rollout
	due := r.LastCheckTime.Add(p.interval())
	if p.underway() && len(p.analysis().Metrics) > 0 {
		due = later(due, r.StepReachedTime.Add(p.interval()/2), p.obs.MeasuringSince.Add(p.interval()))
	}
	return stamp(due).Time
}

func later(t time.Time, more ...time.Time) time.Time {
	for _, m := range more {
		if m.After(t) {
			t = m
		}
	}
	return t
}

// checked notes that the check that was due is done. The next one is due an interval after this one was, however long
// the hooks took; after a longer absence the count starts anew rather than catching up.
func (p *pass) checked() {
	due := p.due()
	if p.obs.Now.Sub(due) >= p.interval() {
		due = p.stamp().Time
	}
	p.st.Rollout.LastCheckTime = metav1.NewTime(due)
	next := due.Add(p.interval())
	p.wakeAt(next)
	if p.why == "" {
		p.wait(fmt.Sprintf("waits for the check at %s", next.UTC().Format(time.TimeOnly)))
	}
}

// check is one look at the canary: fail, hold or advance.
func (p *pass) check(notReady string) {
	metrics := p.judge()
	if metrics.failed != nil {
		p.st.Rollout.Metrics = metrics.results
		// No hook is waited for: a slow one must not hold a rollback. They are called all the same, for some of them
		// generate the load that the next check judges.
		p.ask = p.questions(p.checkHooks(), p.checkID())
		p.fail(*metrics.failed)
		return
	}
	if p.rollbackAsked() {
		p.rollBack("manual webhook invoked", p.invoked())
		return
	}
	if len(p.ask) > 0 {
		return
	}
	if !p.underway() {
		// The first hooks are for a canary that is up: a test of one that is still starting would fail for nothing.
		if e := p.holdUp(notReady); e != nil {
			p.st.Rollout.Metrics = metrics.results
			p.halt(*e)
			return
		}
		p.announce()
	}
	failure, answered := p.callHooks()
	if !answered {
		return
	}
	if failure != nil {
		p.fail(*failure)
		return
	}
	if len(metrics.ask) > 0 {
		p.ask = metrics.ask
		p.wait(fmt.Sprintf("waits for the metric %s", metrics.ask[0].Metric.Name))
		p.wake(time.Second) // as with hooks: a provider that hangs must not hide what the Envoys count meanwhile
		return
	}
	p.conclude(metrics, notReady)
}

// conclude decides when nothing was found to have failed outright.
func (p *pass) conclude(metrics judgement, notReady string) {
	p.st.Rollout.Metrics = metrics.results
	holdUp := p.holdUp(notReady)
	if e := metrics.inconclusive; e != nil {
		if metrics.counts && holdUp == nil {
			p.fail(*e)
			return
		}
		// Without data because it is not ready, or not reached, is no failure of the release.
		p.halt(*e)
		return
	}
	if holdUp != nil {
		p.halt(*holdUp)
		return
	}
	p.advance()
}

// holdUp says what keeps a canary that passed its checks from getting more traffic.
func (p *pass) holdUp(notReady string) *Event {
	var e Event
	switch {
	case notReady != "":
		e = warning(ReasonCanaryNotReady, "canary %s %s not ready: %s", p.kindLower(), p.target(), notReady)
	case !p.underway() && p.cannotStart() != "":
		e = warning(ReasonBlocked, "Halt %s advancement %s", p.full(), p.cannotStart())
	case p.noStrategy() != "": // edited meanwhile; without a next step it must not look like the end
		e = warning(ReasonBlocked, "Halt %s advancement %s", p.full(), p.noStrategy())
	case !p.obs.MeshReady:
		e = warning(ReasonMeshNotReady, "Halt %s advancement waiting for %s", p.full(), list(p.obs.Missing))
	case !p.reached():
		e = warning(ReasonMeshNotReady, "Halt %s advancement waiting for the proxies to take canary weight %d", p.full(), p.weight())
	default:
		return p.owes()
	}
	return &e
}

// halt stays where it is without counting a failure. That the primary is still being watched is said at the first check only:
// it is no news at the next ones.
func (p *pass) halt(e Event) {
	if first := p.st.Rollout.LastCheckTime.Equal(&p.st.Rollout.StartedTime); e.Reason != ReasonWatchingPrimary || first {
		p.emit(e)
	}
	p.wait(e.Message)
	p.checked()
}

// fail counts a failed check. The threshold rolls back in the same plan: Flagger needs one more interval for it.
func (p *pass) fail(e Event) {
	p.st.FailedChecks++
	p.halt(e)
	if p.st.FailedChecks.Int() >= p.threshold() {
		p.rollBackAtThreshold()
	}
}

// advance takes the next step, or promotes after the last.
func (p *pass) advance() {
	next, more := p.next(p.position())
	if !more && p.emptiesPrimary() {
		next, more = p.standIn(), true
	}
	if !more {
		if p.approved(confirmPromotion) {
			p.beginPromotion()
		}
		return
	}
	if next.approval != nil && !p.approved(*next.approval) {
		return
	}
	p.checked()
	p.take(next)
	p.emit(next.event)
}

// take makes the state that of a stage. Where the requests go as before, what was counted before counts still.
func (p *pass) take(s stage) {
	since, routed := p.st.Rollout.StepReachedTime, p.weights()
	first := !p.underway()
	p.enter(progressing) // a schedule that grew brings it back from WaitingPromotion
	p.setWeight(s.weight)
	if s.everybody {
		p.st.Rollout.Strategy = canaryv1beta1.StrategyWeighted
	}
	p.st.Iterations = canaryv1beta1.Number(s.iterations)
	p.st.Rollout.Step++
	if !first && p.weights() == routed {
		p.st.Rollout.StepReachedTime = since
	}
}

// skip promotes a canary without more analysis, as soon as it is ready.
func (p *pass) skip(notReady string) {
	if notReady != "" {
		p.hold(ReasonCanaryNotReady, "canary %s %s not ready: %s", p.kindLower(), p.target(), notReady)
		return
	}
	if p.emptiesPrimary() {
		next := p.standIn()
		p.take(next)
		p.emit(next.event)
	}
	if p.weight() > 0 && !p.reached() {
		p.wait("waits until all traffic reaches the canary")
		return
	}
	p.beginPromotion()
}

// emptiesPrimary tells whether the promotion would leave nobody to serve: the primary stops all its pods before it starts
// new ones (strategy Recreate), and still has traffic. In a test by match it has that of all who do not match.
func (p *pass) emptiesPrimary() bool {
	return p.routed() && p.obs.Target.Recreates && p.weights().Canary < fullWeight
}

// standsIn tells whether the canary serves everybody, after a test by match that shared out only some.
func (p *pass) standsIn() bool {
	return p.st.Rollout.Strategy == canaryv1beta1.StrategyWeighted && p.weight() == fullWeight && p.obs.Target.Recreates &&
		p.strategy() == canaryv1beta1.StrategyABTesting
}

// standIn is a last stage in which the canary, which passed, serves everybody while the primary is replaced.
func (p *pass) standIn() stage {
	return stage{
		weight: fullWeight, everybody: true, iterations: p.st.Iterations.Int(), approval: &confirmPromotion,
		event: normal(ReasonAdvanced, "Routing all traffic to canary"),
	}
}
