package canary

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Next decides what happens to a Canary, from its spec, its state (the status) and what was observed.
// It changes neither argument, reads no clock, and gives the same plan for the same input.
//
// At most one transition is made per call. The shell writes Plan.Status, then makes the facts true, then emits the
// events, then answers the questions, and calls again when anything that it observes changed, or after Plan.After.
func Next(c *canaryv1beta1.Canary, obs Observation) Plan {
	p := &pass{settings: settings{c}, obs: obs, was: &c.Status, st: c.Status.DeepCopy()}
	if p.st.Rollout == nil {
		p.st.Rollout = &canaryv1beta1.RolloutStatus{}
	}
	p.decide()
	return p.plan()
}

// phases says, in order of life, which function looks after a Canary in each phase.
var phases = map[canaryv1beta1.CanaryPhase]func(*pass){
	"":                                        (*pass).begin,      // nobody has looked at it yet
	canaryv1beta1.CanaryPhaseInitializing:     (*pass).initialize, // the primary comes up; the target serves
	canaryv1beta1.CanaryPhaseInitialized:      (*pass).idle,       // the primary serves; the target is at zero
	canaryv1beta1.CanaryPhaseWaiting:          (*pass).waiting,    // a new revision waits for approval
	canaryv1beta1.CanaryPhaseProgressing:      (*pass).progress,   // the canary gets its traffic step by step
	canaryv1beta1.CanaryPhaseWaitingPromotion: (*pass).progress,   // it has it all, and waits for approval
	canaryv1beta1.CanaryPhasePromoting:        (*pass).promote,    // the primary takes the new revision
	canaryv1beta1.CanaryPhaseFinalising:       (*pass).finalise,   // the traffic goes back to the primary
	canaryv1beta1.CanaryPhaseSucceeded:        (*pass).idle,
	canaryv1beta1.CanaryPhaseFailed:           (*pass).idle,
	canaryv1beta1.CanaryPhaseTerminating:      (*pass).terminating,
	canaryv1beta1.CanaryPhaseTerminated:       (*pass).terminating,
}

// pass is one call of Next in the making.
type pass struct {
	settings
	obs Observation
	was *canaryv1beta1.CanaryStatus // the state that we came with: read only
	st  *canaryv1beta1.CanaryStatus // the state that we leave with; its Rollout is never nil

	events   []Event
	ask      []Question
	after    time.Duration
	why      string
	handsOff bool // no facts: nothing may be touched

	countedStale bool // a weight was counted as reached without some proxies
}

func (p *pass) decide() {
	switch {
	case p.flaggerAlive() != "":
		p.leaveToFlagger(p.flaggerAlive())
		return
	case p.DeletionTimestamp != nil:
		p.terminating()
		return
	case p.unserved() != "":
		p.handsOff = true
		p.hold(ReasonUnsupported, "%s", p.withRules(p.unserved()))
		return
	case p.suspendedWhy() != "":
		p.answerRequest()
		if p.aborts() {
			p.abort() // whoever wants this back does not want to resume first
			return
		}
		p.suspended()
		return
	}
	p.resume()
	p.adopt()
	p.followTracking()
	p.observeWeights()
	p.answerRequest()
	if p.aborts() {
		p.abort()
		return
	}
	phase, known := phases[p.st.Phase]
	if !known {
		p.handsOff = true
		p.hold(ReasonUnsupported, "phase %q is unknown", p.st.Phase)
		return
	}
	phase(p)
}

// plan puts together what the phase left behind.
func (p *pass) plan() Plan {
	r := p.st.Rollout
	p.keepCookies()
	if p.moved() {
		p.st.LastTransitionTime = p.stamp()
		// Somebody must come back soon, to see the new weight or phase in force.
		p.wake(time.Second)
	}
	if p.autoscaled() && p.obs.AutoscalerMissing {
		p.wake(lookForScaler) // the cluster may not know its kind yet, and then nobody tells us when it comes
	}
	r.Why = p.why
	p.recordEvidence()
	p.st.ObservedGeneration = p.Generation
	p.setConditions()
	plan := Plan{Events: p.events, Ask: p.ask, After: p.after, Why: p.why}
	if !p.handsOff {
		plan.Facts = p.facts()
	}
	plan.Status = *p.st
	return plan
}

// moved tells whether the state is another one than before, for users or for the rollout.
func (p *pass) moved() bool {
	return p.st.Phase != p.was.Phase || p.st.CanaryWeight != p.was.CanaryWeight || p.st.Iterations != p.was.Iterations ||
		p.was.Rollout != nil && p.st.Rollout.Step != p.was.Rollout.Step
}

// stamp is now as the status can hold it. Whole seconds, rounded up: what is due an interval later is never early.
func (p *pass) stamp() metav1.Time { return stamp(p.obs.Now) }

func stamp(t time.Time) metav1.Time {
	if r := t.Truncate(time.Second); r.Before(t) {
		t = r.Add(time.Second)
	}
	return metav1.NewTime(t)
}

func (p *pass) emit(e Event) { p.events = append(p.events, p.tellOnce(e)) }

// wait says what the Canary waits for.
func (p *pass) wait(sentence string) { p.why = sentence }

// hold is wait with a warning, once: as long as the sentence stays the same, the state remembers that it was said.
func (p *pass) hold(reason, format string, args ...any) {
	e := warning(reason, format, args...)
	p.why = e.Message
	if !p.said(e.Message) {
		p.emit(e)
	}
}

// said tells whether the last pass ended with this sentence.
func (p *pass) said(why string) bool { return p.was.Rollout != nil && p.was.Rollout.Why == why }

// wake asks to be called again after d, or earlier.
func (p *pass) wake(d time.Duration) {
	d = max(d, time.Millisecond)
	if p.after == 0 || d < p.after {
		p.after = d
	}
}

func (p *pass) wakeAt(t time.Time) { p.wake(t.Sub(p.obs.Now)) }

func (p *pass) weight() int { return p.st.CanaryWeight.Int() }

func (p *pass) setWeight(w int) {
	if w != p.weight() {
		p.st.CanaryWeight = canaryv1beta1.Number(w)
		p.st.Rollout.StepReachedTime = metav1.Time{}
	}
}

func (p *pass) enter(phase canaryv1beta1.CanaryPhase) {
	p.st.Phase = phase
	p.st.Rollout.StepReachedTime = metav1.Time{}
	p.st.Rollout.NotReadySince = metav1.Time{}
}
