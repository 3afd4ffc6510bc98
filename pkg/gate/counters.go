package gate

import "time"

// Counters is what one Envoy process has counted since it started, for the requests of one workload.
type Counters struct {
	// Requests that ended, however they ended.
	Requests uint64
	// Class counts the responses by the first digit of their status, at the indexes 1 to 5.
	Class [6]uint64
	// Resets, Timeouts and ConnectFailures count what went wrong on the way to the app. Envoy answers the caller of
	// each with a 503 or 504 of its own, which Class[5] holds too: they explain failures, they do not add to them.
	Resets, Timeouts, ConnectFailures uint64
	// Abandoned requests got no answer before their client gave up. They are not among Requests. Only callers tell.
	Abandoned uint64
	// Latency is the histogram of response times, cumulative, in ascending order of UpperMS.
	Latency []Bucket
}

// Bucket is one bar of a cumulative histogram.
type Bucket struct {
	// UpperMS is the upper bound in milliseconds, +Inf for the last.
	UpperMS float64
	// Count is how many requests took at most UpperMS.
	Count uint64
}

// Sample is one reading of the counters of one pod.
type Sample struct {
	// Pod is the pod's UID.
	Pod string
	// Epoch names one Envoy process of that pod; its counters start at zero.
	Epoch string
	// Started is when that process started; the zero time means unknown. It decides whether what the first sample
	// of an unknown pod holds was counted inside a window or long before.
	Started time.Time
	// At is when the sample was taken.
	At time.Time
	Counters
}

// failures are the requests that count against the workload: those answered with a 5xx.
func (c Counters) failures() uint64 { return c.Class[5] }

// regressed tells whether c cannot be a later reading of the same process as before.
func (c Counters) regressed(before Counters) bool {
	if c.Requests < before.Requests {
		return true
	}
	for i := range c.Class {
		if c.Class[i] < before.Class[i] {
			return true
		}
	}
	return false
}
