package canary

import (
	"fmt"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Standing is how far a Canary has come, from its spec and its status alone: for people who look at it.
type Standing struct {
	// Step is how many checks have passed, Steps how many there are when all do.
	Step, Steps int
	// Threshold is the failed check that rolls back.
	Threshold int
	// Interval is the time between two checks.
	Interval time.Duration
	// NextCheck is when the next check is due; zero while none is. A process that has just started may check later.
	NextCheck time.Time
	// Gate is the name of the webhook whose approval is waited for; empty if none is.
	Gate string
}

// StandingOf reads how far a Canary has come.
func StandingOf(c *canaryv1beta1.Canary) Standing {
	p := &pass{settings: settings{c}, was: &c.Status, st: c.Status.DeepCopy()}
	if p.st.Rollout == nil {
		p.st.Rollout = &canaryv1beta1.RolloutStatus{}
	}
	out := Standing{Threshold: p.threshold(), Interval: p.interval(), Gate: p.gateWaitedFor()}
	out.Step = int(p.st.Rollout.Step)
	out.Steps = out.Step + p.stagesLeft()
	if p.checks() {
		out.NextCheck = p.due()
	}
	return out
}

// stagesLeft counts the stages from where the rollout is to its end.
func (p *pass) stagesLeft() int {
	if p.skipAnalysis() || p.noStrategy() != "" {
		return 0
	}
	at, n := p.position(), 0
	for {
		next, more := p.next(at)
		if !more {
			return n
		}
		n++
		at = position{weight: next.weight, iterations: next.iterations, steps: at.steps + 1}
	}
}

// checks tells whether a check is what comes next.
func (p *pass) checks() bool {
	switch p.st.Phase {
	case canaryv1beta1.CanaryPhaseWaiting, progressing, waitingPromotion:
		return p.suspendedWhy() == "" && p.DeletionTimestamp == nil && !p.st.Rollout.LastCheckTime.IsZero() && !p.skipAnalysis()
	}
	return false
}

// gateWaitedFor reads from the sentence that an approval leaves behind whose it was.
func (p *pass) gateWaitedFor() string {
	for _, g := range []approval{confirmRollout, confirmTrafficIncrease, confirmPromotion} {
		if name, ok := strings.CutPrefix(p.st.Rollout.Why, p.haltedBy(g)); ok {
			return name
		}
	}
	return ""
}

// haltedBy is the sentence about an approval that is missing, up to the name of the webhook.
func (p *pass) haltedBy(g approval) string {
	return fmt.Sprintf("Halt %s advancement %s ", p.full(), g.halt)
}
