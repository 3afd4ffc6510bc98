package gate

// Verdict is what a judge says of a release.
type Verdict string

// The three verdicts. There is no fourth: what a judge cannot see is Inconclusive, never Pass.
const (
	// Pass means that what was measured is within its bounds.
	Pass Verdict = "Pass"
	// Fail means that it is not.
	Fail Verdict = "Fail"
	// Inconclusive means that too little was seen to tell.
	Inconclusive Verdict = "Inconclusive"
)

// Range bounds a metric. A nil bound does not bound.
type Range struct {
	// Min and Max are inclusive, in the metric's own unit.
	Min, Max *float64
}

// Judge compares one value: the interval judge.
func (r Range) Judge(value float64) Verdict {
	if value != value { // NaN compares with nothing
		return Inconclusive
	}
	if r.Min != nil && value < *r.Min || r.Max != nil && value > *r.Max {
		return Fail
	}
	return Pass
}
