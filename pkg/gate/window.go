package gate

import (
	"math"
	"sort"
	"time"
)

// Window is what a set of pods counted between two moments.
type Window struct {
	// Requests that ended in the window, Failures those answered with a 5xx.
	Requests, Failures uint64
	// Resets, Timeouts and ConnectFailures say how failures came about; they are among Failures.
	Resets, Timeouts, ConnectFailures uint64
	// Abandoned requests got no answer before their client gave up; they are not among Requests.
	Abandoned uint64
	// Unreached are the failures that only callers saw; they are among Failures. See BothSides.
	Unreached uint64
	// Latency is the cumulative histogram of the window's response times.
	Latency []Bucket
	// Pods is how many pods contributed; Unreachable how many could not be polled at the window's end.
	Pods, Unreachable int
	// From and To are the window's ends.
	From, To time.Time
}

// SuccessRate is the share of requests that did not fail, in percent. It is false when there was no request.
func (w Window) SuccessRate() (percent float64, ok bool) {
	if w.Requests == 0 {
		return 0, false
	}
	failures := min(w.Failures, w.Requests)
	return 100 * float64(w.Requests-failures) / float64(w.Requests), true
}

// Quantile is the response time in milliseconds below which the share q (0 to 1) of the requests stayed, interpolated
// inside its bucket as Prometheus does. It is false when there was no request or only an unbounded bucket.
func (w Window) Quantile(q float64) (ms float64, ok bool) {
	if len(w.Latency) == 0 || q < 0 || q > 1 || math.IsNaN(q) {
		return 0, false
	}
	total := w.Latency[len(w.Latency)-1].Count
	if total == 0 {
		return 0, false
	}
	rank := q * float64(total)
	i := sort.Search(len(w.Latency), func(i int) bool { return float64(w.Latency[i].Count) >= rank })
	lower, below := 0.0, uint64(0)
	if i > 0 {
		lower, below = w.Latency[i-1].UpperMS, w.Latency[i-1].Count
	}
	upper, inside := w.Latency[i].UpperMS, w.Latency[i].Count-below
	if math.IsInf(upper, 1) {
		// Nothing is known above the last bound, so the bound itself is the least that can be said.
		return lower, i > 0
	}
	if inside == 0 {
		return lower, true
	}
	return lower + (upper-lower)*(rank-float64(below))/float64(inside), true
}
