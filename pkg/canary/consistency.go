package canary

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Consistency is what the rulebook says of a Canary and of what its release depends on.
type Consistency struct {
	Findings []RuleFinding
}

// RuleFinding is what one rule says about one field.
type RuleFinding struct {
	// Rule is its id.
	Rule string
	// Error says that it would be refused at apply, or keep a rollout from starting.
	Error bool
	// Text is a sentence with path, id and remedy, and with the object if that is not the Canary.
	Text string
}

// Reasons of the condition Consistent.
const (
	ReasonConsistent = "NoFindings"
	ReasonWarnings   = "Warnings"
	ReasonErrors     = "Errors"
)

// The condition quotes at most so many findings, and no further one once it has so many bytes: it is read in a terminal,
// and the ids of all rules come first anyhow.
const (
	maxFindings = 3
	longEnough  = 300
)

func (c *Consistency) status() metav1.ConditionStatus {
	if len(c.of(true)) > 0 {
		return metav1.ConditionFalse
	}
	return metav1.ConditionTrue
}

func (c *Consistency) reason() string {
	switch {
	case len(c.of(true)) > 0:
		return ReasonErrors
	case len(c.Findings) > 0:
		return ReasonWarnings
	}
	return ReasonConsistent
}

// message has the ids of all rules that spoke, and the first few sentences: errors before warnings.
func (c *Consistency) message() string {
	errs, warnings := c.of(true), c.of(false)
	var counts []string
	for _, list := range []struct {
		noun     string
		findings []RuleFinding
	}{{"error", errs}, {"warning", warnings}} {
		if len(list.findings) > 0 {
			counts = append(counts, fmt.Sprintf("%s (%s)", plural(len(list.findings), list.noun), strings.Join(rulesOf(list.findings), ", ")))
		}
	}
	if len(counts) == 0 {
		return "The rulebook finds nothing."
	}
	all := slices.Concat(errs, warnings)
	var sentences []string
	for size := 0; len(sentences) < min(len(all), maxFindings) && size < longEnough; {
		text := all[len(sentences)].Text
		sentences, size = append(sentences, text), size+len(text)
	}
	if more := len(all) - len(sentences); more > 0 {
		sentences = append(sentences, fmt.Sprintf("and %d more: kubectl sluice lint --live", more))
	}
	return strings.Join(counts, ", ") + ": " + strings.Join(sentences, "; ")
}

func (c *Consistency) of(errors bool) []RuleFinding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f RuleFinding) bool { return f.Error != errors })
}

// rulesOf lists the ids of rules, each once.
func rulesOf(findings []RuleFinding) []string {
	var ids []string
	for _, f := range findings {
		ids = append(ids, f.Rule)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
