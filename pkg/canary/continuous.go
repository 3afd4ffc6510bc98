package canary

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// The continuous judge (pkg/gate) looks at every reading of both versions' Envoys. Its Fail is a rollback, by the same
// transition as the threshold; all else stays with the checks of every interval, which only hold and advance here:
//
//	readings ---> evidence ---> Fail: roll back, at any moment
//	                  |
//	                  '-------> owes: no step, until the requests that followed make up for a failing reading
//	interval ---> metrics ----> out of range or no data: no step; else the next one
//
// The evidence grows in the shell, beside the passes. The state keeps a copy that is ten seconds old at most, from which
// a new leader goes on.

const (
	// defaultFalseRollbackRate is the share of healthy rollouts that may be rolled back.
	defaultFalseRollbackRate = 0.01
	// recordEvery is how often evidence is written down while nothing else is.
	recordEvery = 10 * time.Second
	// readingsFirst is how many readings of the primary come before the canary's first request. They teach how its bad
	// requests scatter: without them the first burst would look like a broken release.
	readingsFirst = 90
)

// continuous tells whether the continuous judge is asked for and has something to judge.
func (s settings) continuous() bool {
	g := s.analysis().Gate
	return g != nil && g.Mode == canaryv1beta1.GateModeContinuous && len(s.measures()) > 0
}

// actsContinuously tells whether its verdict is acted on.
func (s settings) actsContinuously() bool { return s.continuous() && !s.analysis().Gate.DryRun }

// judgesContinuously tells whether a metric is judged on every reading.
func (s settings) judgesContinuously(m canaryv1beta1.CanaryMetric) bool {
	return s.actsContinuously() && s.fromEnvoy(m)
}

// measures are the metrics that the Envoys answer for, as the continuous judge reads them.
func (s settings) measures() []gate.Measure {
	var out []gate.Measure
	for _, m := range s.analysis().Metrics {
		if !s.fromEnvoy(m) {
			continue
		}
		measure := gate.Measure{Name: m.Name, Allowed: 1}
		switch r := bounds(m); {
		case m.Name == canaryv1beta1.MetricRequestSuccessRate && r.Min != nil:
			measure.Allowed = min(1, max(0, 1-*r.Min/100))
		case m.Name == canaryv1beta1.MetricRequestDuration && (r.Max == nil || *r.Max <= 0):
			continue // without a bound no request is slow
		case m.Name == canaryv1beta1.MetricRequestDuration:
			measure.SlowMS, measure.Allowed = *r.Max, 1-latencyQuantile
		}
		out = append(out, measure)
	}
	return out
}

// falseRollbackRate is the share that the spec declares.
func (s settings) falseRollbackRate() float64 {
	if rate, ok := DeclaredRate(s.analysis().Gate.FalseRollbackRate); ok {
		return rate
	}
	return defaultFalseRollbackRate
}

// declaresRate tells whether the spec has a rate that can be honoured.
func (s settings) declaresRate() bool {
	_, ok := DeclaredRate(s.analysis().Gate.FalseRollbackRate)
	return ok
}

// DeclaredRate reads falseRollbackRate, as a share of all rollouts; false for what is no rate that the continuous judge can keep.
func DeclaredRate(text string) (float64, bool) {
	text, percent := strings.CutSuffix(text, "%")
	rate, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return rate / 100, percent && err == nil && rate > 0 && rate < 50
}

// Standard is what the continuous judge holds a Canary's releases to; false where it is not asked for.
func Standard(c *canaryv1beta1.Canary) (gate.Standard, bool) {
	s := settings{c}
	if !s.continuous() {
		return gate.Standard{}, false
	}
	return gate.Standard{FalseRollbackRate: s.falseRollbackRate(), Measures: s.measures()}, true
}

// Compares tells whether the canary's requests count as evidence now: from its first step on. Before that the primary
// alone is watched.
func Compares(c *canaryv1beta1.Canary) bool { return Watches(c) && underway(&c.Status) }

// RecordedEvidence is the evidence that the state holds about the current rollout, to go on from.
func RecordedEvidence(c *canaryv1beta1.Canary) gate.Evidence {
	standard, ok := Standard(c)
	if r := c.Status.Rollout; !ok || r == nil || r.Evidence == nil || len(r.Evidence.Metrics) != len(standard.Measures) {
		return gate.Evidence{}
	}
	out := gate.Evidence{Ticks: c.Status.Rollout.Evidence.Ticks}
	for i, m := range c.Status.Rollout.Evidence.Metrics {
		e, err := gate.ParseMeasureEvidence(m.State)
		if err != nil || m.Name != standard.Measures[i].Name {
			return gate.Evidence{} // edited by somebody, or of a version to come: begin anew
		}
		out.Measures = append(out.Measures, e)
	}
	return out
}

// RolloutID names the rollout that a Canary's evidence is about.
func RolloutID(c *canaryv1beta1.Canary) string {
	r := c.Status.Rollout
	if r == nil {
		return ""
	}
	return r.Revision + "@" + r.StartedTime.UTC().Format(time.RFC3339)
}

// judgedContinuously is what the continuous judge says now; false while it has nothing to say.
func (p *pass) judgedContinuously() (gate.Judgement, bool) {
	standard, ok := Standard(p.Canary)
	if !ok || p.obs.Evidence == nil {
		return gate.Judgement{}, false
	}
	return standard.Judge(*p.obs.Evidence), true
}

// failedContinuously rolls back if the continuous judge says so, and tells whether it did or wants to.
func (p *pass) failedContinuously() bool {
	j, ok := p.judgedContinuously()
	if !ok || j.Verdict != gate.Fail || !p.underway() {
		return false
	}
	why := p.explain(j)
	if p.Spec.Analysis.Gate.DryRun {
		if e := p.st.Rollout.Evidence; e == nil || e.Verdict != canaryv1beta1.VerdictFail {
			p.emit(warning(ReasonWouldRollBack, "Continuous judge would roll back %s (dry run): %s", p.full(), why))
		}
		return false
	}
	p.rollBack(why, warning(ReasonRollingBack, "Rolling back %s %s", p.full(), why))
	return true
}

// owes says that a failing reading has not been made up for; nil when nothing keeps the canary from its next step.
func (p *pass) owes() *Event {
	if !p.actsContinuously() {
		return nil
	}
	j, ok := p.judgedContinuously()
	if !p.underway() {
		if ok && p.obs.Evidence.Ticks >= readingsFirst {
			return nil
		}
		e := normal(ReasonWatchingPrimary, "Halt %s advancement reading %s for %s before the first step",
			p.full(), p.primary(), time.Duration(readingsFirst)*time.Second)
		return &e
	}
	for _, m := range j.Measures {
		if m.Debt > 0 {
			e := warning(ReasonOwing, "Halt %s advancement after %s", p.full(), counted(m))
			return &e
		}
	}
	return nil
}

// recordEvidence writes the evidence into the state when the verdict or the step changed, or the last record is old.
func (p *pass) recordEvidence() {
	j, ok := p.judgedContinuously()
	r := p.st.Rollout
	if !ok || p.was.Rollout == nil || r.StartedTime != p.was.Rollout.StartedTime {
		return // what was seen is another rollout's
	}
	was, now := r.Evidence, p.evidence(j)
	next := p.obs.Now.Add(recordEvery)
	switch {
	case was == nil, was.Verdict != now.Verdict, p.st.Phase != p.was.Phase, r.Step != p.was.Rollout.Step:
		r.Evidence = now
	case p.obs.Now.Before(was.RecordedTime.Add(recordEvery)):
		next = was.RecordedTime.Add(recordEvery)
	case !equalCounts(was, now): // else nobody called anybody, and there is nothing to write
		r.Evidence = now
	}
	if p.st.Phase == progressing || p.st.Phase == waitingPromotion {
		p.wakeAt(next)
	}
}

func equalCounts(a, b *canaryv1beta1.EvidenceStatus) bool {
	if len(a.Metrics) != len(b.Metrics) {
		return false
	}
	for i, m := range a.Metrics {
		if m.Canary != b.Metrics[i].Canary || m.Primary != b.Metrics[i].Primary {
			return false
		}
	}
	return true
}

// evidence is a judgement as the state holds it.
func (p *pass) evidence(j gate.Judgement) *canaryv1beta1.EvidenceStatus {
	out := &canaryv1beta1.EvidenceStatus{
		Verdict: canaryv1beta1.Verdict(j.Verdict), Message: p.explain(j),
		LogEvidence: digits(j.Evidence), Limit: digits(j.Limit),
		Ticks: p.obs.Evidence.Ticks, RecordedTime: p.stamp(),
	}
	for i, m := range j.Measures {
		metric := canaryv1beta1.MetricEvidence{
			Name: m.Name, Verdict: canaryv1beta1.Verdict(m.Verdict),
			Canary:      canaryv1beta1.EvidenceCounts{Requests: int64(m.Canary.Requests), Bad: int64(m.Canary.Bad)},
			Primary:     canaryv1beta1.EvidenceCounts{Requests: int64(m.Primary.Requests), Bad: int64(m.Primary.Bad)},
			LogEvidence: digits(m.Evidence), Dispersion: digits(m.Dispersion),
		}
		if m.Debt > 0 {
			metric.Owed = digits(m.Debt)
		}
		if i < len(p.obs.Evidence.Measures) {
			metric.State = p.obs.Evidence.Measures[i].Text()
		}
		out.Metrics = append(out.Metrics, metric)
	}
	return out
}

// digits prints a number of the evidence as precisely as it is worth reading.
func digits(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

// explain is a judgement in one sentence.
func (p *pass) explain(j gate.Judgement) string {
	switch {
	case j.Crash == gate.CrashLoop:
		return fmt.Sprintf("a pod of %s crashes again and again", p.target())
	case j.Crash == gate.CrashUnreachable:
		return fmt.Sprintf("no caller reaches %s", p.target())
	case j.Crash == gate.CrashCollapse:
		return "most requests are bad: " + counted(j.Worst())
	case j.Verdict == gate.Pass:
		return "every metric is shown to be in its range"
	}
	var needed float64
	for _, m := range j.Measures {
		switch {
		case m.Verdict == gate.Fail:
			return counted(m)
		case m.Shared:
			return counted(m) + ": out of range, but no worse than the primary"
		}
		needed = max(needed, m.Needed)
	}
	if needed > 0 {
		return fmt.Sprintf("about %.0f more requests, if all are good, would show that it is in range", needed)
	}
	return "nothing speaks for a rollback"
}

// counted says what a metric counted.
func counted(m gate.MeasureJudgement) string {
	bad := "failed"
	if m.SlowMS > 0 {
		bad = fmt.Sprintf("took more than %v", milliseconds(m.SlowMS))
	}
	return fmt.Sprintf("%.0f of %.0f requests %s, on the primary %.0f of %.0f",
		m.Canary.Bad, m.Canary.Requests, bad, m.Primary.Bad, m.Primary.Requests)
}
