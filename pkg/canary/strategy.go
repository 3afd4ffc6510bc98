package canary

import (
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// A strategy is how a release of one kind gives the canary its requests: one stage for every check that passes, and
// after the last the promotion. All else (what is judged, what halts, what rolls back) is the same for every kind.
//
//	canary        5 % ... 50 %                    of all requests; with a mirror, before that copies of them
//	ab-testing    100 %, as many checks long      of the requests that match; or 5 % ... 50 % of them
//	blue-green    0 %, as many checks long, 100 % of all requests, once the promotion is approved
type strategy func(s settings, at position) (stage, bool)

// position is as much of the state as says which stage a rollout is in.
type position struct {
	// weight is the canary's, in percent.
	weight int
	// iterations and steps count the checks that passed.
	iterations, steps int
}

// stage is what the state becomes when a check has passed, and what is said then.
type stage struct {
	weight, iterations int
	// everybody's requests are shared out, whatever a match had selected.
	everybody bool
	// approval is asked before; nil asks nobody.
	approval *approval
	event    Event
}

var strategies = map[canaryv1beta1.ReleaseStrategy]strategy{
	canaryv1beta1.StrategyWeighted:  nextWeighted,
	canaryv1beta1.StrategyABTesting: nextMatched,
	canaryv1beta1.StrategyBlueGreen: nextBlueGreen,
}

// StrategyOf says which kind of release a Canary's spec asks for.
func StrategyOf(c *canaryv1beta1.Canary) canaryv1beta1.ReleaseStrategy { return settings{c}.strategy() }

func (s settings) strategy() canaryv1beta1.ReleaseStrategy {
	switch {
	case len(s.match()) > 0:
		return canaryv1beta1.StrategyABTesting
	case s.iterations() > 0:
		return canaryv1beta1.StrategyBlueGreen
	}
	return canaryv1beta1.StrategyWeighted
}

// next is the stage after a position, false when only the promotion is left.
func (s settings) next(at position) (stage, bool) { return strategies[s.strategy()](s, at) }

// nextWeighted climbs the schedule. With a mirror, its first stage only copies requests.
func nextWeighted(s settings, at position) (stage, bool) {
	weight, more := nextWeight(schedule(s.analysis()), at.weight)
	if more && at.steps == 0 && at.weight == 0 && s.mirrors() {
		return stage{approval: &confirmTrafficIncrease, event: normal(ReasonMirrored, "Advance %s canary weight 0", s.full())}, true
	}
	return stage{
		weight: weight, approval: &confirmTrafficIncrease,
		event: normal(ReasonAdvanced, "Advance %s canary weight %d", s.full(), weight),
	}, more
}

// nextMatched gives the canary all matching requests at once and counts the checks. Without iterations it climbs,
// among the matching requests only.
func nextMatched(s settings, at position) (stage, bool) {
	if s.iterations() == 0 {
		return nextWeighted(s, at)
	}
	return s.nextIteration(at, fullWeight)
}

// nextBlueGreen counts the checks while users stay on the primary: only tests reach the canary, by its own name.
// Then, once the promotion is approved, it gets everything for one check.
func nextBlueGreen(s settings, at position) (stage, bool) {
	if next, more := s.nextIteration(at, at.weight); more {
		return next, true
	}
	event := normal(ReasonAdvanced, "Routing all traffic to canary")
	if s.mirrors() {
		event = normal(ReasonAdvanced, "Stop traffic mirroring and route all traffic to canary")
	}
	return stage{
		weight: fullWeight, iterations: at.iterations + 1, approval: &confirmPromotion, event: event,
	}, s.routed() && at.weight < fullWeight
}

// nextIteration is the next of the checks that the spec asks for.
func (s settings) nextIteration(at position, weight int) (stage, bool) {
	n := at.iterations + 1
	return stage{
		weight: weight, iterations: n,
		event: normal(ReasonIterated, "Advance %s canary iteration %d/%d", s.full(), n, s.iterations()),
	}, at.iterations < s.iterations()
}

// position is where the state is.
func (p *pass) position() position {
	return position{weight: p.weight(), iterations: p.st.Iterations.Int(), steps: int(p.st.Rollout.Step)}
}

// underway tells whether a rollout has taken its first stage. From then on its metrics are judged: whether users or
// only tests reach the canary, they are its own counters.
func underway(st *canaryv1beta1.CanaryStatus) bool {
	return st.CanaryWeight > 0 || st.Iterations > 0 || st.Rollout != nil && st.Rollout.Step > 0
}

func (p *pass) underway() bool { return underway(p.st) }

// strategyChanged tells whether the spec now asks for another kind of release than the one that runs. Its weight would
// mean other requests: without this, taking analysis.match away would give the canary everybody's.
func (p *pass) strategyChanged() bool {
	running := p.st.Rollout.Strategy
	if running == "" { // begun before the state kept it
		running = canaryv1beta1.StrategyWeighted
	}
	return p.underway() && running != p.strategy() && !p.standsIn()
}
