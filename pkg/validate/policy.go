package validate

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Policy is what the owners of a cluster say about the rulebook as a whole. The zero value changes nothing.
type Policy struct {
	// WarnOnly refuses nothing: for the first days of an installation, when nobody knows yet what would be refused.
	WarnOnly bool
	// Severities replaces the severity of rules by id. Off silences a rule.
	Severities map[string]Severity
}

// Off is the severity by which a Policy silences a rule.
const Off Severity = "Off"

// ExemptAnnotation on an object lets it pass rules, by id, each with the reason why: "SL004: one pod is enough; SL040:
// judged by hand". A rule that is exempted without a reason still speaks.
const ExemptAnnotation = "sluice.dev/exempt"

// exemptions reads the annotation: the reason by the rule's id.
func exemptions(object metav1.Object) map[string]string {
	out := map[string]string{}
	for _, entry := range strings.Split(object.GetAnnotations()[ExemptAnnotation], ";") {
		id, reason, _ := strings.Cut(entry, ":")
		if id, reason = strings.TrimSpace(id), strings.TrimSpace(reason); id != "" && reason != "" {
			out[id] = reason
		}
	}
	return out
}

// apply gives findings on an object, if there is one, the severities of the policy, and leaves out what the object is
// exempted from.
func (p Policy) apply(object metav1.Object, findings []Finding) []Finding {
	var exempt map[string]string
	if object != nil {
		exempt = exemptions(object)
	}
	var out []Finding
	for _, f := range findings {
		if severity, ok := p.Severities[f.Rule]; ok {
			f.Severity = severity
		}
		if p.WarnOnly && f.Severity == Deny {
			f.Severity = Warn
		}
		if _, ok := exempt[f.Rule]; ok || f.Severity == Off {
			continue
		}
		out = append(out, f)
	}
	return out
}
