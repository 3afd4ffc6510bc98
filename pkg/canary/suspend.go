package canary

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// IsSuspended tells whether a Canary is to be left as it is: by its spec, or by whoever paused it.
func IsSuspended(c *canaryv1beta1.Canary) bool { return settings{c}.suspendedWhy() != "" }

const (
	suspendedBySpec = "is suspended"
	pausedByPeople  = "is paused"
)

// suspendedWhy says why all is left as it is; empty when it is not.
func (s settings) suspendedWhy() string {
	switch paused := s.Annotations[AnnotationPaused]; {
	case s.Spec.Suspend:
		return suspendedBySpec
	case paused == "" || paused == "false":
		return ""
	case paused == "true":
		return pausedByPeople
	default:
		return pausedByPeople + " " + shown(paused)
	}
}

// suspended leaves everything as it is, and says so once. Only a rollback that has begun goes on to its end.
func (p *pass) suspended() {
	if p.st.Phase == failed && p.st.Rollout.StepReachedTime.IsZero() {
		p.observeWeights()
	} else {
		p.handsOff = true
	}
	p.why = p.suspendedWhy()
	if !p.said(p.why) {
		p.emit(normal(ReasonSuspended, "skipping canary run as object %s", p.why))
	}
}

// resume starts the clocks again after a suspension: what was due meanwhile was nobody's to judge.
func (p *pass) resume() {
	if p.was.Rollout == nil {
		return
	}
	if why := p.was.Rollout.Why; why != suspendedBySpec && !strings.HasPrefix(why, pausedByPeople) {
		return
	}
	r := p.st.Rollout
	r.NotReadySince, r.StepReachedTime = metav1.Time{}, metav1.Time{}
	if !r.LastCheckTime.IsZero() {
		r.LastCheckTime = p.stamp()
	}
}

// HasStopped tells whether the engine has left off, because the Canary is suspended or paused.
func HasStopped(c *canaryv1beta1.Canary) bool {
	r := c.Status.Rollout
	return r != nil && (r.Why == suspendedBySpec || strings.HasPrefix(r.Why, pausedByPeople))
}
