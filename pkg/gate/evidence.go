package gate

import (
	"math"
	"slices"
)

// Standard is what the continuous judge holds a release to.
type Standard struct {
	// FalseRollbackRate is the share, 0 to 1, of rollouts of healthy releases that may be rolled back: per rollout, over
	// all measures and all of its time together.
	FalseRollbackRate float64
	// Measures of a request, in the order of Evidence.Measures.
	Measures []Measure
}

// limit is the logarithm of the evidence that rolls back.
func (s Standard) limit() float64 { return -math.Log(s.FalseRollbackRate) }

// Evidence is what a rollout has shown so far, in a few numbers however long it lasts. The zero value is ready.
type Evidence struct {
	// Ticks is how many were taken in.
	Ticks int64
	// Measures is the evidence of each measure of the standard.
	Measures []MeasureEvidence
	// Crash is what the newest tick shows that needs no statistics; empty if nothing.
	Crash Crash
	// Collapsing says that in the newest tick most of the canary's requests were bad, and not the primary's. Whoever reads
	// the counters does well to look again soon: if that goes on, it is a crash.
	Collapsing bool
	// Suspicious says that in the newest tick some of the canary's requests were bad, and not the primary's, which may be
	// where a collapse begins. Whoever reads the counters does well to look ahead, too.
	Suspicious bool
}

// Clone is evidence of its own: what is added to one of both is not in the other.
func (e Evidence) Clone() Evidence {
	e.Measures = slices.Clone(e.Measures)
	return e
}

// MeasureEvidence is what a rollout has shown about one measure.
type MeasureEvidence struct {
	// Canary and Primary are what they counted: the primary since the first tick, the canary in Compared of them.
	Canary, Primary Counts
	// Ticks and Compared are how many ticks taught something about the primary, and how many compared the canary with it.
	Ticks, Compared float64
	// Primarily and Objectively are the likelihoods against the primary and against the objective.
	Primarily, Objectively course
	// Dispersion is how bad requests scatter.
	Dispersion Dispersion
	// Debt is by how many bad requests the canary has exceeded, since it last did not owe any, what the objective allows
	// and what the primary did at the same time (E. S. Page's cumulative sum, Continuous Inspection Schemes, Biometrika
	// 41, 1954). A tick that makes it grow is a failing one; until it is paid off, no step is taken.
	Debt float64

	// open is a stretch of ticks with too few requests of the canary to say what its share of the traffic is, with the bad
	// requests that count. It is compared as a whole. closed is the likelihood of what was counted before.
	openCanary, openPrimary Counts
	closed                  likelihood
	pairs                   [2]pairs // of primary and canary
	collapse                collapse
}

// Add takes in one tick. compare tells that the canary is under analysis: ticks before that only teach what the primary is
// like.
func (e *Evidence) Add(s Standard, t Tick, compare bool) {
	if len(e.Measures) != len(s.Measures) {
		e.Measures = make([]MeasureEvidence, len(s.Measures))
	}
	e.Ticks++
	e.Crash, e.Collapsing, e.Suspicious = "", false, false
	if compare {
		e.Crash = t.crash()
	}
	for i, m := range s.Measures {
		canary, primary := m.count(t.Canary), m.count(t.Primary)
		if !compare {
			canary = Counts{}
		}
		e.Measures[i].add(m, canary, primary, s.limit())
		e.Collapsing = e.Collapsing || e.Measures[i].collapse.ticks > 0
		e.Suspicious = e.Suspicious || canary.Bad >= suspicious && worse(canary, primary)
		if e.Crash == "" && e.Measures[i].collapse.complete() {
			e.Crash = CrashCollapse
		}
	}
}

// A burst inside a second is one event, however many requests it spoils, so a tick counts one bad request of the canary,
// and more only as far as they tell this share of what a rollback needs.
const oneTick = 0.35

// enoughCompared is how many requests of the canary say well enough what its share of the traffic is. With fewer, each
// bad one would be compared with whatever share its own tick happened to have.
const enoughCompared = 20

func (e *MeasureEvidence) add(m Measure, canary, primary Counts, limit float64) {
	e.Ticks++
	e.Primary.add(primary)
	if e.collapse.add(canary, primary); e.collapse.ticks > 0 {
		e.Dispersion.add(&e.pairs, primary, Counts{}) // that is no noise
	} else {
		e.Dispersion.add(&e.pairs, primary, canary)
	}
	if canary.Requests == 0 {
		return
	}
	e.Compared++
	e.Canary.add(canary)
	e.Debt = max(0, e.Debt+canary.Bad-canary.Requests*max(m.Allowed, primary.share()))

	limit *= oneTick
	if canary.Bad > 1 {
		limit *= e.factor()
	}
	if m.objective() {
		objectively := func(bad float64) likelihood { return held(Counts{canary.Requests, bad}, m.allowed()) }
		e.Objectively.note(e.Objectively.Now.plus(objectively(most(canary.Bad, limit, objectively))))
	}
	e.openCanary.Requests += canary.Requests
	e.openPrimary.add(primary)
	e.openCanary.Bad += most(canary.Bad, limit, func(bad float64) likelihood {
		return e.either(m, Counts{e.openCanary.Requests, bad}, Counts{e.openPrimary.Requests, primary.Bad})
	})
	e.Primarily.note(e.closed.plus(e.either(m, e.openCanary, e.openPrimary)))
	if e.openCanary.Requests >= enoughCompared {
		e.closed, e.openCanary, e.openPrimary = e.Primarily.Now, Counts{}, Counts{}
	}
}

// either compares with the primary. Where that has no requests what the objective allows takes its place.
func (e *MeasureEvidence) either(m Measure, canary, primary Counts) likelihood {
	switch {
	case canary.Requests == 0:
		return likelihood{}
	case primary.Requests > 0:
		return compared(canary, primary)
	case m.objective():
		return held(canary, m.allowed())
	}
	return likelihood{}
}

// What the comparison rests on scatters more the larger the canary's part of the traffic is: bursts spoil requests in
// proportion to it, and the primary, which stands against the noise, has the rest. The dispersion counts for perPart times
// that part, within these bounds; they were found by simulation (test/judges).
const (
	perPart   = 7
	leastPart = 0.7
	mostPart  = 3.5
)

// factor is by how much more than Poisson's the bad requests scatter that the comparison rests on.
func (e *MeasureEvidence) factor() float64 {
	if e.Ticks == 0 || e.Compared == 0 {
		return 1
	}
	canary, primary := e.Canary.Requests/e.Compared, e.Primary.Requests/e.Ticks
	return 1 + (e.Dispersion.factor()-1)*min(mostPart, max(leastPart, perPart*canary/(canary+primary)))
}
