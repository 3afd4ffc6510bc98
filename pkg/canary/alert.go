package canary

import (
	"fmt"
	"strings"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Alert is what an event is to people who do not follow the event log: a few per rollout, in a chat.
type Alert struct {
	// Severity is how bad it is.
	Severity canaryv1beta1.AlertSeverity
	// Message is one sentence. Like those of events it is an interface.
	Message string
	// Fields are further facts, in order.
	Fields []AlertField

	// once names a wait that people are told of once, however many checks it lasts; empty for what happens but once.
	once string
}

// AlertField is a fact with a name.
type AlertField struct {
	// Name and Value as they are shown.
	Name, Value string
}

// Fires tells whether an alert of this severity is wanted. One whose spec names no severity wants all, as Flagger's
// documentation has it; Flagger itself never sends it.
func Fires(wanted canaryv1beta1.CanaryAlert, severity canaryv1beta1.AlertSeverity) bool {
	rank := map[canaryv1beta1.AlertSeverity]int{
		"": 0, canaryv1beta1.SeverityInfo: 0, canaryv1beta1.SeverityWarn: 1, canaryv1beta1.SeverityError: 2,
	}
	return rank[severity] >= rank[wanted.Severity]
}

// alerting makes an event an alert, too.
func (e Event) alerting(severity canaryv1beta1.AlertSeverity, format string, args ...any) Event {
	e.Alert = &Alert{Severity: severity, Message: fmt.Sprintf(format, args...)}
	return e
}

// once makes the alert of an event one that is sent once for the wait of this name.
func (e Event) once(wait string) Event {
	e.Alert.once = wait
	return e
}

// with adds facts to the alert of an event.
func (e Event) with(fields ...AlertField) Event {
	e.Alert.Fields = append(e.Alert.Fields, fields...)
	return e
}

// muted takes the alert away again if the webhook that it is about wants that.
func (e Event) muted(h hook) Event {
	if h.MuteAlert {
		e.Alert = nil
	}
	return e
}

// tellOnce drops the alert of a wait that people know of.
func (p *pass) tellOnce(e Event) Event {
	if e.Alert == nil {
		return e
	}
	r := p.st.Rollout
	if e.Alert.once != "" && e.Alert.once == r.LastAlert {
		e.Alert = nil
		return e
	}
	r.LastAlert = e.Alert.once
	return e
}

// step names the step that a wait belongs to.
func (p *pass) step() string { return fmt.Sprintf("%s/%d", p.st.Rollout.Revision, p.st.Rollout.Step) }

// aboutCanary are the facts that an alert about a new Canary or a new revision has, in Flagger's words.
func (s settings) aboutCanary() []AlertField {
	ref := s.Spec.TargetRef
	fields := []AlertField{
		{"Target", fmt.Sprintf("%s/%s", ref.Kind, s.target())},
		{"Failed checks threshold", fmt.Sprint(s.threshold())},
		{"Progress deadline", fmt.Sprintf("%vs", s.deadline().Seconds())},
	}
	if routing := s.routing(); routing != "" {
		fields = append(fields, AlertField{"Traffic routing", routing})
	}
	return fields
}

func (s settings) routing() string {
	a := s.analysis()
	switch s.strategy() {
	case canaryv1beta1.StrategyABTesting:
		return "A/B Testing"
	case canaryv1beta1.StrategyBlueGreen:
		return "Blue/Green"
	}
	if n := a.StepWeight.IntOr(0); n > 0 {
		return fmt.Sprintf("Weight step: %d max: %d", n, a.MaxWeight.IntOr(0))
	}
	if len(a.StepWeights) > 0 {
		steps := make([]string, len(a.StepWeights))
		for i, n := range a.StepWeights {
			steps[i] = fmt.Sprint(n)
		}
		return fmt.Sprintf("Weight steps: %s max: %d", strings.Join(steps, ","), a.MaxWeight.IntOr(0))
	}
	return ""
}
