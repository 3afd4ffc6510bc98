package validate

// change is what a rule looks at: an object, what it was before (nil when it is new) and the world around it.
type change[T any] struct {
	old, new *T
	world    World
}

// bound ties a rule of the table to the function that checks it for one kind.
type bound[T any] struct {
	id    string
	check func(change[T]) []problem
}

// evaluate runs the rules of a kind on a change, and takes back the refusals that the change is not to blame for.
func evaluate[T any](rules []bound[T], c change[T]) []Finding {
	findings := run(rules, c)
	if c.old == nil {
		return findings
	}
	return ratchet(findings, run(rules, change[T]{new: c.old, world: c.world}))
}

// run applies every rule that speaks at this place.
func run[T any](rules []bound[T], c change[T]) []Finding {
	var findings []Finding
	for _, rule := range rules {
		if !speaks(rule.id, c.world.At) {
			continue
		}
		for _, problem := range rule.check(c) {
			findings = append(findings, problem.finding(rule.id))
		}
	}
	return findings
}

// ratchet turns refusals that were there before, word for word, into warnings. Word for word, because the sentence
// holds the values: a value that changed is judged anew.
func ratchet(now, before []Finding) []Finding {
	was := map[Finding]bool{}
	for _, finding := range before {
		was[finding] = true
	}
	for i, finding := range now {
		if finding.Severity == Deny && was[finding] {
			now[i].Severity = Warn
		}
	}
	return now
}
