package gate

import (
	"sort"
	"time"
)

const (
	// maxSamples bounds what is kept per Envoy process. When it is reached, every second one of the older half goes:
	// at one sample per second the last two minutes stay exact, and ten minutes ago a window's start is off by seconds.
	maxSamples = 256
	// Horizon is how far back windows can reach. Older samples go, except one per process that later ones subtract.
	Horizon = 2 * time.Hour
)

// History remembers the samples of a workload's pods. The zero value is ready. It is not safe for concurrent use.
type History struct {
	pods map[string]*pod
}

type pod struct {
	runs        []*run    // one per Envoy process, in order
	unreachable time.Time // when polling last failed; zero if a sample came later
	reason      string    // the error of that time
}

// run is the life of one Envoy process as far as it was seen.
type run struct {
	epoch   string
	started time.Time
	// fromZero says that counting began after we began to watch the pod: the first sample subtracts nothing.
	fromZero bool
	samples  []Sample
	// until is when the last sample was still true: equal readings are not kept twice.
	until time.Time
}

// Add takes a sample in. One that is older than what is known of its pod is dropped.
func (h *History) Add(s Sample) {
	p := h.pod(s.Pod)
	p.unreachable, p.reason = time.Time{}, ""
	var last *run
	if n := len(p.runs); n > 0 {
		last = p.runs[n-1]
		if s.At.Before(last.until) {
			return
		}
	}
	if last == nil || last.epoch != s.Epoch || s.regressed(last.newest().Counters) {
		last = &run{epoch: s.Epoch, started: s.Started, fromZero: last != nil}
		p.runs = append(p.runs, last)
	}
	last.add(s)
	h.forget(s.At.Add(-Horizon))
}

// AddUnreachable notes that a pod could not be polled. It stays so until a sample of it comes.
func (h *History) AddUnreachable(podUID string, at time.Time, err error) {
	p := h.pod(podUID)
	p.unreachable = at
	if err != nil {
		p.reason = err.Error()
	}
}

// Remove says that a pod is gone. What it counted stays until it is older than Horizon; it is no longer unreachable.
func (h *History) Remove(podUID string) {
	if p := h.pods[podUID]; p != nil {
		p.unreachable, p.reason = time.Time{}, ""
	}
}

// Unreachable gives the error of each pod that could not be polled, by UID.
func (h *History) Unreachable() map[string]string {
	out := map[string]string{}
	for uid, p := range h.pods {
		if !p.unreachable.IsZero() {
			out[uid] = p.reason
		}
	}
	return out
}

// Window sums what the pods counted after from, up to and including to.
func (h *History) Window(from, to time.Time) Window {
	w := Window{From: from, To: to}
	for _, p := range h.pods {
		if !p.unreachable.IsZero() && !p.unreachable.After(to) {
			w.Unreachable++
		}
		seen := false
		for _, r := range p.runs {
			seen = r.addTo(&w) || seen
		}
		if seen {
			w.Pods++
		}
	}
	return w
}

func (h *History) pod(uid string) *pod {
	if h.pods == nil {
		h.pods = map[string]*pod{}
	}
	if h.pods[uid] == nil {
		h.pods[uid] = &pod{}
	}
	return h.pods[uid]
}

// forget drops what no window can reach any more.
func (h *History) forget(before time.Time) {
	for uid, p := range h.pods {
		for len(p.runs) > 0 && p.runs[0].until.Before(before) && (len(p.runs) > 1 || p.unreachable.IsZero()) {
			p.runs = p.runs[1:]
		}
		if len(p.runs) == 0 && p.unreachable.Before(before) {
			delete(h.pods, uid)
		}
	}
}

func (r *run) newest() Sample { return r.samples[len(r.samples)-1] }

func (r *run) add(s Sample) {
	r.until = s.At
	if n := len(r.samples); n > 1 && same(r.samples[n-1].Counters, s.Counters) && same(r.samples[n-2].Counters, s.Counters) {
		// A quiet pod costs two samples, the first and the last of the quiet stretch.
		r.samples[n-1].At = s.At
		return
	}
	if len(r.samples) > 0 && len(s.Latency) == len(r.newest().Latency) {
		s.Latency = share(s.Latency, r.newest().Latency)
	}
	r.samples = append(r.samples, s)
	if len(r.samples) >= maxSamples {
		r.samples = thin(r.samples)
	}
}

// addTo adds what the run counted inside the window and tells whether it was seen there.
func (r *run) addTo(w *Window) bool {
	// The newest sample at or before each end: samples are a poll period apart, so the window is off by less than one.
	end := r.at(w.To)
	if end < 0 || r.until.Before(w.From) {
		return false
	}
	var before Counters
	switch start := r.at(w.From); {
	case start >= 0:
		before = r.samples[start].Counters
	case r.fromZero || !r.started.IsZero() && !r.started.Before(w.From):
		// All that this process counted was counted after the window began, or while its pod was being watched.
	default:
		// Nobody knows when it counted what it held at first sight. Not in this window, then.
		before = r.samples[0].Counters
	}
	w.count(r.samples[end].Counters, before)
	return true
}

// at is the index of the newest sample at or before t, -1 when there is none.
func (r *run) at(t time.Time) int {
	return sort.Search(len(r.samples), func(i int) bool { return r.samples[i].At.After(t) }) - 1
}

func (w *Window) count(now, before Counters) {
	w.Requests += now.Requests - before.Requests
	w.Failures += now.failures() - before.failures()
	w.Resets += less(now.Resets, before.Resets)
	w.Timeouts += less(now.Timeouts, before.Timeouts)
	w.ConnectFailures += less(now.ConnectFailures, before.ConnectFailures)
	w.Abandoned += less(now.Abandoned, before.Abandoned)
	w.Latency = add(w.Latency, sub(now.Latency, before.Latency))
}

func less(a, b uint64) uint64 { return a - min(a, b) }

// thin halves the density of the older half. The very first sample stays: it is what the run began with.
func thin(s []Sample) []Sample {
	half := len(s) / 2
	out := s[:1]
	for i := 2; i < half; i += 2 {
		out = append(out, s[i])
	}
	return append(out, s[half:]...)
}

func same(a, b Counters) bool {
	if a.Requests != b.Requests || a.Class != b.Class || a.Resets != b.Resets || a.Timeouts != b.Timeouts ||
		a.ConnectFailures != b.ConnectFailures || a.Abandoned != b.Abandoned || len(a.Latency) != len(b.Latency) {
		return false
	}
	for i := range a.Latency {
		if a.Latency[i] != b.Latency[i] {
			return false
		}
	}
	return true
}

// share returns before's slice when nothing was added, so that a histogram is kept once per change.
func share(now, before []Bucket) []Bucket {
	for i := range now {
		if now[i] != before[i] {
			return now
		}
	}
	return before
}
