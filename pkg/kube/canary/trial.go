package canary

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// trial gathers the evidence of the continuous judge between two passes: after every round of readings it adds a tick, and
// it calls for a pass when the verdict changes. What it holds is in the state, ten seconds old at most.
type trial struct {
	// on tells that the judge is asked for, compares that the canary's requests count already.
	on, compares bool
	standard     gate.Standard
	// nodes are the virtual nodes of canary and primary, by which callers reach them.
	nodes [2]types.NamespacedName
	// rollout is what evidence is about.
	rollout  string
	evidence gate.Evidence
	// until is the end of the newest tick; zero before the first.
	until time.Time
	// verdict is what the newest pass knows.
	verdict gate.Verdict
	// ahead is what was seen since the newest tick, if that looked suspicious; nil otherwise.
	ahead *ahead
}

// ahead is a look between two ticks. It becomes evidence only if it shows a collapse: a burst of failures would count several
// times if every look were a tick.
type ahead struct {
	evidence gate.Evidence
	until    time.Time
}

// continuously says what the judge has to know of a Canary, and gives its evidence to an observation.
func (p *poll) continuously(c *canaryv1beta1.Canary, obs *canary.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &p.trial
	if t.standard, t.on = canary.Standard(c); !t.on {
		*t = trial{}
		return
	}
	primary, target := canary.CalledNodes(c)
	t.nodes = [2]types.NamespacedName{{Namespace: c.Namespace, Name: target}, {Namespace: c.Namespace, Name: primary}}
	if id := canary.RolloutID(c); t.rollout != id {
		t.rollout, t.evidence, t.ahead = id, canary.RecordedEvidence(c), nil
	}
	t.compares = canary.Compares(c)
	seen := t.evidence.Clone()
	obs.Evidence = &seen
	t.verdict = t.standard.Judge(seen).Verdict
}

// tick adds what both versions counted since the last one. It tells whether a pass should look at the verdict, and whether
// the next reading should come soon.
func (p *poll) tick(now time.Time) (look, soon bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &p.trial
	from := t.until
	if !t.on || !now.After(from) {
		return false, false
	}
	t.until, t.ahead = now, nil
	if from.IsZero() {
		return false, false // the first readings are what later ones are compared with
	}
	p.take(&t.evidence, from, now)
	verdict := t.standard.Judge(t.evidence).Verdict
	return verdict != t.verdict, t.evidence.Collapsing || t.evidence.Suspicious
}

// between is tick for a reading that came soon.
func (p *poll) between(now time.Time) (look, soon bool) {
	p.mu.Lock()
	t := &p.trial
	if !t.on || t.evidence.Collapsing || !now.After(t.until) {
		p.mu.Unlock()
		return p.tick(now)
	}
	defer p.mu.Unlock()
	if t.ahead == nil {
		t.ahead = &ahead{evidence: t.evidence.Clone(), until: t.until}
	}
	p.take(&t.ahead.evidence, t.ahead.until, now)
	t.ahead.until = now
	if t.ahead.evidence.Crash == "" {
		return false, t.ahead.evidence.Collapsing
	}
	t.evidence, t.until, t.ahead = t.ahead.evidence, now, nil
	return t.standard.Judge(t.evidence).Verdict != t.verdict, false
}

// take adds to evidence what both versions counted in a span.
func (p *poll) take(evidence *gate.Evidence, from, to time.Time) {
	t := &p.trial
	tick := gate.Tick{
		Canary:  p.arm(&p.history, t.nodes[0], false, from, to),
		Primary: p.arm(&p.primary, t.nodes[1], true, from, to),
	}
	// A primary that cannot be read is no primary without requests: nothing can be compared with it.
	blind := tick.Primary.Requests == 0 && len(p.primary.Unreachable()) > 0
	evidence.Add(t.standard, tick, t.compares && !blind)
}

// arm is what one version did in a tick.
func (p *poll) arm(own *gate.History, node types.NamespacedName, primary bool, from, to time.Time) gate.Arm {
	arm := gate.Arm{Window: p.sides(own, node, from, to)}
	for _, pod := range p.pods {
		if pod.CrashLooping && pod.Primary == primary {
			arm.CrashLooping = append(arm.CrashLooping, pod.Name)
		}
	}
	return arm
}

// sides joins what pods counted in a span with what the callers of their virtual node saw.
func (p *poll) sides(own *gate.History, node types.NamespacedName, from, to time.Time) gate.Window {
	if callers := p.called[node]; callers != nil {
		return gate.BothSides(own, callers, from, to)
	}
	return own.Window(from, to)
}
