package validate

import (
	"regexp"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// change is what a rule looks at: an object, what it was before (nil when it is new) and the world around it.
type change[T any] struct {
	old, new *T
	world    World
	// built gives what the control plane says of the new object; it is asked once for all rules, and only if one wants to know.
	built func() []mesh.Problem
}

// bound ties a rule of the table to the function that checks it for one kind.
type bound[T any] struct {
	id    string
	check func(change[T]) []problem
}

// evaluate runs the rules of a kind on a change, and takes back the refusals that the change is not to blame for.
func evaluate[T any](rules []bound[T], c change[T]) []Finding {
	findings := run(rules, c)
	if c.old != nil {
		findings = ratchet(findings, run(rules, change[T]{new: c.old, world: c.world}))
	}
	return findings
}

// run applies every rule that speaks at this place, with the severities of the cluster.
func run[T any](rules []bound[T], c change[T]) []Finding {
	var findings []Finding
	c.built = sync.OnceValue(func() []mesh.Problem { return build(c.new, c.world) })
	for _, rule := range rules {
		if !speaks(rule.id, c.world.At) {
			continue
		}
		for _, problem := range rule.check(c) {
			findings = append(findings, problem.finding(rule.id))
		}
	}
	return c.world.Policy.apply(any(c.new).(metav1.Object), uncovered(findings))
}

// ratchet turns refusals that were there before into warnings: first those that are the same word for word, then those
// that only moved to another place in a list. The sentence holds the values, so a value that changed is judged anew.
func ratchet(now, before []Finding) []Finding {
	exact, moved := map[Finding]bool{}, map[Finding]int{}
	for _, finding := range before {
		exact[finding] = true
		moved[finding.anywhere()]++
	}
	forgive := func(old func(Finding) bool) {
		for i, finding := range now {
			if finding.Severity == Deny && old(finding) {
				now[i].Severity = Warn
				moved[finding.anywhere()]--
			}
		}
	}
	forgive(func(f Finding) bool { return exact[f] })
	forgive(func(f Finding) bool { return moved[f.anywhere()] > 0 })
	return now
}

var indices = regexp.MustCompile(`\[\d+\]`)

// anywhere is the finding without its place in the lists of the object.
func (f Finding) anywhere() Finding {
	f.Path = indices.ReplaceAllString(f.Path, "")
	f.Message = indices.ReplaceAllString(f.Message, "")
	return f
}
