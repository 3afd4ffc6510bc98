package gate

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// Judgement is what the continuous judge says at a moment.
type Judgement struct {
	// Verdict is Fail when the evidence reached Limit or the canary crashed, Pass when every measure is shown to meet its
	// objective, else Inconclusive.
	Verdict Verdict
	// Crash says that it failed without statistics.
	Crash Crash
	// Evidence is the logarithm of the evidence for a rollback, Limit the logarithm of 1/FalseRollbackRate that rolls back.
	Evidence, Limit float64
	// Measures are the parts, in the order of the standard.
	Measures []MeasureJudgement
}

// MeasureJudgement is the part of one measure.
type MeasureJudgement struct {
	Measure
	// Verdict is Fail for the measure that tells most of a failure.
	Verdict Verdict
	// Shared says that the canary misses its objective and is not shown to be worse than the primary: a common outage.
	Shared bool
	// Evidence is the logarithm of the evidence that this measure gives for a rollback.
	Evidence float64
	// Dispersion is by how much more than Poisson's counts bad requests are taken to scatter.
	Dispersion float64
	// Needed is about how many more requests it takes to show that the objective is met, if all are good.
	Needed float64
	// Debt is how many bad requests the canary has still to make up for before the next step.
	Debt float64
	// Canary and Primary are what they counted.
	Canary, Primary Counts
}

// Owing tells whether a failing tick is not made up for yet. Until it is, no step is taken.
func (j Judgement) Owing() bool {
	for _, m := range j.Measures {
		if m.Debt > 0 {
			return true
		}
	}
	return false
}

// Worst is the measure that gives the most evidence for a rollback.
func (j Judgement) Worst() MeasureJudgement {
	var worst MeasureJudgement
	for i, m := range j.Measures {
		if i == 0 || m.Evidence > worst.Evidence {
			worst = m
		}
	}
	return worst
}

// Judge weighs the evidence: the continuous judge. It may be asked after every tick, as often as one likes: against a
// healthy release the evidence ever reaches the limit at most at the declared rate (J. Ville, 1939; S. R. Howard, A. Ramdas,
// J. McAuliffe and J. Sekhon, Time-uniform Chernoff Bounds via Nonnegative Supermartingales, 2020). With a dispersion that
// is estimated that is a target, measured by simulation (test/judges), and no theorem.
func (s Standard) Judge(e Evidence) Judgement {
	j := Judgement{Verdict: Inconclusive, Crash: e.Crash, Limit: s.limit()}
	passed, worst, parts, weights := len(s.Measures) > 0, 0, make([]float64, len(s.Measures)), 0.0
	for i, m := range s.Measures {
		part := MeasureEvidence{}
		if i < len(e.Measures) {
			part = e.Measures[i]
		}
		judged := part.judge(m, j.Limit)
		parts[i] = judged.Evidence + math.Log(m.weight())
		weights += m.weight()
		if parts[i] > parts[worst] {
			worst = i
		}
		passed = passed && judged.Verdict == Pass
		j.Measures = append(j.Measures, judged)
	}
	if len(parts) > 0 {
		// The weighted mean of the measures' evidence is evidence again, so the rate is that of all of them together.
		j.Evidence = floats.LogSumExp(parts) - math.Log(weights)
	}
	switch {
	case len(parts) > 0 && j.Evidence >= j.Limit:
		j.Measures[worst].Verdict = Fail
		j.Verdict = Fail
	case j.Crash != "":
		j.Verdict = Fail
	case passed:
		j.Verdict = Pass
	}
	return j
}

// byPrimary is the part of the evidence that rests on the comparison with the primary alone. The rest asks for less
// against the primary, and for as much against the objective.
const byPrimary = 0.95

func (e *MeasureEvidence) judge(m Measure, limit float64) MeasureJudgement {
	j := MeasureJudgement{
		Measure: m, Verdict: Inconclusive,
		Dispersion: e.factor(), Debt: e.Debt, Canary: e.Canary, Primary: e.Primary,
	}
	// That the canary misses its objective counts only as far as it is worse than the primary: the hypothesis is that it
	// meets the objective or is as good as the primary, and the lesser of two is evidence against both.
	misses, worse := e.Objectively.against(asGood, j.Dispersion, e.Compared), e.Primarily.against(asGood, j.Dispersion, e.Compared)
	j.Evidence = floats.LogSumExp([]float64{
		math.Log(byPrimary) + e.Primarily.against(asBadAsToBear, j.Dispersion, e.Compared),
		math.Log(1-byPrimary) + min(misses, worse),
	})
	j.Shared = misses >= limit && worse < limit
	if good, each := e.good(m); each > 0 {
		j.Needed = max(0, (math.Log(shown)*j.Dispersion-good)/each)
		if j.Needed == 0 && e.Debt == 0 && !j.Shared {
			j.Verdict = Pass
		}
	}
	return j
}

// shown is the evidence with which the canary counts as meeting its objective.
const shown = 20

// good is the logarithm of the evidence that the canary fails a tenth as often as it may rather than as often as it may (A.
// Wald's test, Sequential Tests of Statistical Hypotheses, 1945), and what each more good request adds to it. Without any
// failure it takes about 3.3 requests divided by what is allowed. Without an objective there is none.
func (e *MeasureEvidence) good(m Measure) (evidence, each float64) {
	if !m.objective() {
		return 0, 0
	}
	each = math.Log((1 - m.allowed()/10) / (1 - m.allowed()))
	return (e.Canary.Requests-e.Canary.Bad)*each - e.Canary.Bad*math.Log(10), each
}
