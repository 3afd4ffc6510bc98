package canary

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// MetricWindow names, by metric, the span that each metric of the analysis is to be measured over at the time now:
// the metric's interval or the time since the step's weight was in force, whichever is shorter. It is nil while there
// is nothing to measure.
func MetricWindow(c *canaryv1beta1.Canary, now time.Time) map[string]Span {
	r := c.Status.Rollout
	if c.Spec.Analysis == nil || r == nil || !underway(&c.Status) ||
		c.Status.Phase != progressing && c.Status.Phase != waitingPromotion {
		return nil
	}
	since := r.StepReachedTime.Time
	if since.IsZero() {
		since = r.LastCheckTime.Time // the weight is on its way; some callers may have it already
	}
	if since.After(now) {
		since = now
	}
	out := map[string]Span{}
	for _, m := range c.Spec.Analysis.Metrics {
		out[m.Name] = Span{From: later(now.Add(-metricInterval(m)), since), To: now}
	}
	return out
}

// judgement is what the metrics say together.
type judgement struct {
	// failed is the first metric that is out of its range.
	failed *Event
	// inconclusive is the first metric without a verdict; counts says that it is a failed check all the same.
	inconclusive *Event
	counts       bool
	// results are for the state, once the check is done.
	results []canaryv1beta1.MetricResult
	// ask lists the metrics to measure before there can be a judgement.
	ask []Question
}

// judge compares the measurements with the ranges of the spec.
func (p *pass) judge() judgement {
	var j judgement
	if !p.underway() {
		return j
	}
	for i, m := range p.analysis().Metrics {
		key := p.metricKey(i)
		got, measured := p.obs.Metrics[key]
		if !measured && !p.fromEnvoy(m) {
			j.ask = append(j.ask, Question{Key: key, Metric: &m, Phase: string(p.st.Phase), CheckID: p.checkID()})
			continue
		}
		if !measured {
			got.NoData = true
		}
		result, e := p.judgeOne(m, got)
		j.results = append(j.results, result)
		switch {
		case result.Verdict == canaryv1beta1.VerdictFail && p.judgesContinuously(m):
			j.hold(e, false) // a verdict on it is the continuous judge's
		case result.Verdict == canaryv1beta1.VerdictFail && j.failed == nil:
			j.failed = e
		case result.Verdict == canaryv1beta1.VerdictInconclusive:
			if !got.NoData || len(got.Unreachable) > 0 { // it may last, and only people can end it
				*e = e.alerting(canaryv1beta1.SeverityWarn, "%s", e.Message).once(fmt.Sprintf("metric %s %s", key, p.step()))
			}
			j.hold(e, p.counts(got))
		}
	}
	return j
}

// hold notes the first metric without a verdict.
func (j *judgement) hold(e *Event, counts bool) {
	if j.inconclusive == nil {
		j.inconclusive, j.counts = e, counts
	}
}

// judgeOne gives the result of one metric, and the event unless it passed.
func (p *pass) judgeOne(m canaryv1beta1.CanaryMetric, got Measurement) (canaryv1beta1.MetricResult, *Event) {
	bounds := bounds(m)
	result := canaryv1beta1.MetricResult{Name: m.Name, Samples: got.Samples, Min: number(bounds.Min), Max: number(bounds.Max)}
	inconclusive := func(e Event) (canaryv1beta1.MetricResult, *Event) {
		result.Verdict, result.Message = canaryv1beta1.VerdictInconclusive, e.Message
		return result, &e
	}
	blind := warning(ReasonUnreachable, "Halt %s advancement %s cannot be read from pods %s", p.full(), m.Name, list(got.Unreachable))
	switch {
	case got.Unasked != "":
		return inconclusive(warning(ReasonQueryFailed, "%s", got.Unasked))
	case got.Err != "":
		return inconclusive(p.queryFailed(m, got.Err))
	case got.NoData && len(got.Unreachable) > 0:
		return inconclusive(blind)
	case got.NoData:
		return inconclusive(p.noValues(m))
	}
	value := got.Value
	if m.Name == canaryv1beta1.MetricRequestDuration {
		value = float64(int64(value)) // whole milliseconds, as they are printed
	}
	result.Value = number(&value)
	switch verdict := bounds.Judge(value); {
	case verdict == gate.Fail:
		e := warning(ReasonMetricFailed, "Halt %s advancement %s", p.full(), breach(m, value, bounds))
		result.Verdict, result.Message = canaryv1beta1.VerdictFail, e.Message+fromCallers(got.Unreached)
		return result, &e
	case verdict == gate.Inconclusive:
		return inconclusive(p.noValues(m))
	case len(got.Unreachable) > 0:
		return inconclusive(blind)
	}
	result.Verdict = canaryv1beta1.VerdictPass
	return result, nil
}

// fromCallers says where failures were counted that the pods do not show.
func fromCallers(unreached int64) string {
	if unreached == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d failures were seen by callers only: no connection, a reset, or no answer)", unreached)
}

// bounds are the metric's range. The deprecated threshold is a minimum for the success rate and a maximum for the rest.
// Without either nothing bounds the metric: it is recorded and passes.
func bounds(m canaryv1beta1.CanaryMetric) gate.Range {
	float := func(n *canaryv1beta1.Number) *float64 {
		if n == nil {
			return nil
		}
		f := float64(*n)
		return &f
	}
	switch {
	case m.ThresholdRange != nil:
		return gate.Range{Min: float(m.ThresholdRange.Min), Max: float(m.ThresholdRange.Max)}
	case m.Name == canaryv1beta1.MetricRequestSuccessRate:
		return gate.Range{Min: float(m.Threshold)}
	}
	return gate.Range{Max: float(m.Threshold)}
}

// number prints a value as precisely as it is worth reading.
func number(f *float64) string {
	if f == nil {
		return ""
	}
	s := strconv.FormatFloat(*f, 'f', 4, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
