package gate

import "time"

const (
	// reportDelay is by how much callers may tell later what the pods have counted already: they report every second, with
	// thousands of them every ten, and after a reconnect some seconds late.
	reportDelay = 15 * time.Second
	// enoughAbandoned is how many requests must be given up for silence to be an answer. One who walks away says little.
	enoughAbandoned = 3
)

// Unreached is how many requests failed for callers after from, up to and including to, without the pods counting a
// failure: nobody listened, the connection broke, or no answer came in time. own are the counters of the workload's pods,
// callers those of the Envoys that call it.
//
//	own       answered ............ failed |
//	callers   answered ............ failed | unreached     the same failures, told later, and those that only they saw
//
// A failure of the pods that callers tell late is looked for in what the pods counted some time before, so that it
// never counts twice. The price is that failures of both kinds at the same time count for less than they are.
func Unreached(own, callers *History, from, to time.Time) uint64 {
	return less(callers.Window(from, to).Failures, own.Window(from.Add(-reportDelay), to).Failures)
}

// BothSides is what a workload's pods counted after from, up to and including to, joined with what only their callers
// saw: a pod that crashes counts nothing any more, and one that never answers has nothing to count.
func BothSides(own, callers *History, from, to time.Time) Window {
	w, seen := own.Window(from, to), callers.Window(from, to)
	w.Unreached = Unreached(own, callers, from, to)
	w.Failures += w.Unreached
	// Not all callers report, and not all pods can be read. What callers saw more is added as far as it failed, or as the pods
	// have not counted it for a while: a report of a whole second that arrives in a window of a quarter of one says nothing
	// about that quarter.
	uncounted := less(seen.Requests, own.Window(from.Add(-reportDelay), to).Requests)
	w.Requests += min(less(seen.Requests, w.Requests), max(w.Unreached, uncounted))
	if w.Requests == 0 && seen.Abandoned >= enoughAbandoned {
		// Nobody got an answer, and some gave up waiting for one.
		w.Requests, w.Failures, w.Unreached = seen.Abandoned, seen.Abandoned, seen.Abandoned
	}
	w.Failures = min(w.Failures, w.Requests)
	return w
}
