package mesh

import "time"

// debounce says when a burst of changes is over: after a quiet period, but never later than a ceiling after the first
// change, because in a large cluster something always changes. It is pure: the caller brings the clock.
type debounce struct {
	// quiet is how long nothing must change; ceiling how long a burst may last.
	quiet, ceiling time.Duration
	first          time.Time
}

// hit records a change and returns how long to wait from now.
func (d *debounce) hit(now time.Time) time.Duration {
	if d.first.IsZero() {
		d.first = now
	}
	return max(0, min(d.quiet, d.first.Add(d.ceiling).Sub(now)))
}

// reset ends the burst.
func (d *debounce) reset() { d.first = time.Time{} }
