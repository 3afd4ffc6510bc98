package canary

import (
	"fmt"
	"slices"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// rollBackAtThreshold rolls back because too many checks failed.
func (p *pass) rollBackAtThreshold() {
	p.rollBack(p.why, warning(ReasonRollingBack, "Rolling back %s failed checks threshold reached %d", p.full(), p.st.FailedChecks.Int()).
		alerting(canaryv1beta1.SeverityError, "Failed checks threshold reached %d", p.st.FailedChecks.Int()).with(AlertField{"Reason", p.why}))
}

// invoked says that a rollback hook agreed.
func (p *pass) invoked() Event {
	return warning(ReasonRollingBack, "Rolling back %s manual webhook invoked", p.full()).
		alerting(canaryv1beta1.SeverityWarn, "Rolling back manual webhook invoked")
}

// rollBack sends all traffic back to the primary, now, and says why first. The target is scaled to zero in the phase
// Failed, once no caller sends to it any more.
func (p *pass) rollBack(why string, say ...Event) {
	if !p.canLeave() {
		return
	}
	for _, e := range say {
		p.emit(e)
	}
	gone := warning(ReasonFailed, "Canary failed! Scaling down %s", p.full())
	if !slices.ContainsFunc(say, func(e Event) bool { return e.Alert != nil }) {
		gone = gone.alerting(canaryv1beta1.SeverityError, "Canary failed: %s", why) // nobody shall hear of a rollback by chance
	}
	p.emit(gone)
	p.fallBack(why)
}

// fallBack makes the state that of a failed rollout.
func (p *pass) fallBack(why string) {
	p.enter(failed)
	p.setWeight(0)
	p.st.FailedChecks, p.st.Iterations = 0, 0
	p.st.Rollout.Asked = ""
	p.after = 0
	p.wait(rolledBack)
	if why != "" {
		p.wait(fmt.Sprintf("%s: %s", rolledBack, why))
	}
}

// rolledBack begins the sentence that a failed rollout leaves behind.
const rolledBack = "rolled back"
