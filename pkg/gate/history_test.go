package gate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// read is one reading: so many requests and failures counted so far.
type read struct {
	pod, run         string
	second           int
	requests, failed uint64
	started          int // second in which the process started; 0 unknown
}

func (r read) sample() Sample {
	s := Sample{Pod: r.pod, Epoch: r.run, At: at(r.second)}
	if r.started != 0 {
		s.Started = at(r.started)
	}
	s.Requests = r.requests
	s.Class[2], s.Class[5] = r.requests-r.failed, r.failed
	s.Latency = []Bucket{{10, r.requests - r.failed}, {math.Inf(1), r.requests}}
	return s
}

func TestWindow(t *testing.T) {
	for name, c := range map[string]struct {
		reads    []read
		from, to int
		want     string // requests/failures of pods
	}{
		"what was counted between two readings": {
			[]read{{"a", "1", 0, 100, 1, 0}, {"a", "1", 60, 160, 4, 0}}, 0, 60, "60/3 of 1"},
		"several pods": {
			[]read{{"a", "1", 0, 100, 0, 0}, {"b", "1", 0, 10, 0, 0}, {"a", "1", 60, 160, 0, 0}, {"b", "1", 60, 15, 5, 0}}, 0, 60, "65/5 of 2"},
		"a restart begins at zero and loses nothing": {
			[]read{{"a", "1", 0, 100, 0, 0}, {"a", "1", 30, 150, 0, 0}, {"a", "2", 40, 7, 7, 0}, {"a", "2", 60, 20, 9, 0}}, 0, 60, "70/9 of 1"},
		"a restart that nobody announced shows in falling counters": {
			[]read{{"a", "1", 0, 100, 0, 0}, {"a", "1", 60, 8, 2, 0}}, 0, 60, "8/2 of 1"},
		"a pod that is gone keeps what it counted": {
			[]read{{"a", "1", 0, 100, 0, 0}, {"a", "1", 20, 140, 3, 0}, {"b", "1", 0, 5, 0, 0}, {"b", "1", 60, 6, 0, 0}}, 0, 60, "41/3 of 2"},
		"what a pod counted before anybody looked does not count": {
			[]read{{"a", "1", 50, 100000, 9, 0}, {"a", "1", 60, 100010, 9, 0}}, 0, 60, "10/0 of 1"},
		"unless it is known to have started inside the window": {
			[]read{{"a", "1", 50, 40, 9, 45}, {"a", "1", 60, 50, 9, 45}}, 40, 60, "50/9 of 1"},
		"a process that started before the window is not one of those": {
			[]read{{"a", "1", 50, 40, 9, 30}, {"a", "1", 60, 50, 9, 30}}, 40, 60, "10/0 of 1"},
		"the window's start is the last reading before it": {
			[]read{{"a", "1", 0, 0, 0, 0}, {"a", "1", 9, 50, 0, 0}, {"a", "1", 11, 60, 0, 0}, {"a", "1", 20, 100, 0, 0}}, 10, 20, "50/0 of 1"},
		"readings after its end are not its business": {
			[]read{{"a", "1", 0, 0, 0, 0}, {"a", "1", 10, 50, 0, 0}, {"a", "1", 20, 100, 0, 0}}, 0, 10, "50/0 of 1"},
		"a quiet pod is a pod": {
			[]read{{"a", "1", 0, 5, 0, 0}, {"a", "1", 10, 5, 0, 0}, {"a", "1", 20, 5, 0, 0}, {"a", "1", 30, 5, 0, 0}}, 20, 30, "0/0 of 1"},
		"a pod of long ago is not": {
			[]read{{"a", "1", 0, 5, 0, 0}, {"b", "1", 60, 1, 0, 0}}, 30, 60, "0/0 of 1"},
		"a reading from the past is dropped": {
			[]read{{"a", "1", 10, 50, 0, 0}, {"a", "1", 5, 20, 0, 0}, {"a", "1", 20, 60, 0, 0}}, 0, 20, "10/0 of 1"},
		"nothing": {nil, 0, 60, "0/0 of 0"},
	} {
		t.Run(name, func(t *testing.T) {
			var h History
			for _, r := range c.reads {
				h.Add(r.sample())
			}
			w := h.Window(at(c.from), at(c.to))
			if got := fmt.Sprintf("%d/%d of %d", w.Requests, w.Failures, w.Pods); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if n := len(w.Latency); n > 0 && w.Latency[n-1].Count != w.Requests {
				t.Errorf("the histogram holds %d of %d requests", w.Latency[n-1].Count, w.Requests)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	var h History
	h.Add(read{"a", "1", 0, 1, 0, 0}.sample())
	h.AddUnreachable("a", at(10), errors.New("connection refused"))
	h.AddUnreachable("b", at(11), errors.New("timeout"))
	if got := h.Window(at(0), at(10)).Unreachable; got != 1 {
		t.Errorf("at 10 s %d pods are unreachable", got)
	}
	want := map[string]string{"a": "connection refused", "b": "timeout"}
	if diff := cmp.Diff(want, h.Unreachable()); diff != "" {
		t.Error(diff)
	}
	h.Add(read{"a", "1", 20, 1, 0, 0}.sample()) // it answers again
	h.Remove("b")                               // it is gone
	if got := h.Window(at(0), at(30)).Unreachable; got != 0 || len(h.Unreachable()) != 0 {
		t.Errorf("afterwards %d pods are unreachable", got)
	}
}

// A long life with changes at every reading stays small, and recent windows stay exact.
func TestMemory(t *testing.T) {
	var h History
	const life = 20000
	for i := range life {
		h.Add(read{"a", "1", i, uint64(i), 0, 0}.sample())
	}
	if n := len(h.pods["a"].runs[0].samples); n > maxSamples {
		t.Errorf("%d samples", n)
	}
	for _, seconds := range []int{1, 10, 60, 120} {
		if w := h.Window(at(life-1-seconds), at(life-1)); w.Requests != uint64(seconds) {
			t.Errorf("the last %d s hold %d requests", seconds, w.Requests)
		}
	}
	for i := range 1000 { // pods come and go
		h.Add(read{fmt.Sprint("pod", i), "1", life + 60*i, 1, 0, 0}.sample())
	}
	if n := len(h.pods); n > int(Horizon/time.Minute)+2 {
		t.Errorf("%d pods are remembered", n)
	}
}

// Whatever pods and restarts there are: a window that begins before everything counts every request exactly once, and
// windows that follow each other add up to it.
func TestDeltas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h History
		type process struct {
			run   int
			start int
			c     Counters
		}
		pods := map[string]*process{}
		var total Counters
		seconds := rapid.IntRange(1, 400).Draw(t, "seconds")
		for i := 1; i <= seconds; i++ {
			for _, name := range []string{"a", "b", "c"} {
				p := pods[name]
				switch dice := rapid.IntRange(0, 99).Draw(t, "dice"); {
				case p == nil && dice < 10 || p != nil && dice < 3: // starts, or starts again
					run := 1
					if p != nil {
						run = p.run + 1
					}
					p = &process{run: run, start: i}
					pods[name] = p
				case p == nil || dice < 20: // not there, or not read this second
					continue
				}
				n, bad := uint64(rapid.IntRange(0, 5).Draw(t, "requests")), uint64(rapid.IntRange(0, 2).Draw(t, "failures"))
				bad = min(bad, n)
				p.c.Requests += n
				p.c.Class[5] += bad
				p.c.Class[2] += n - bad
				p.c.Latency = []Bucket{{float64(10 * (1 + p.run%2)), p.c.Class[2]}, {math.Inf(1), p.c.Requests}}
				total.Requests += n
				total.Class[5] += bad
				h.Add(Sample{Pod: name, Epoch: fmt.Sprint(p.run), Started: at(p.start), At: at(i), Counters: p.c})
			}
		}
		whole := h.Window(at(0), at(seconds))
		if whole.Requests != total.Requests || whole.Failures != total.Class[5] {
			t.Fatalf("counted %d/%d, there were %d/%d", whole.Requests, whole.Failures, total.Requests, total.Class[5])
		}
		cut := rapid.IntRange(0, seconds).Draw(t, "cut")
		first, second := h.Window(at(0), at(cut)), h.Window(at(cut), at(seconds))
		if first.Requests+second.Requests != whole.Requests || first.Failures+second.Failures != whole.Failures {
			t.Fatalf("%d + %d requests in two windows, %d in one", first.Requests, second.Requests, whole.Requests)
		}
		for _, w := range []Window{whole, first, second} {
			counts := make([]uint64, len(w.Latency))
			for i, b := range w.Latency {
				counts[i] = b.Count
			}
			if !slices.IsSorted(counts) || len(counts) > 0 && counts[len(counts)-1] != w.Requests {
				t.Fatalf("histogram %v of %d requests", w.Latency, w.Requests)
			}
			if rate, ok := w.SuccessRate(); ok && (rate < 0 || rate > 100) {
				t.Fatalf("success rate %v", rate)
			}
		}
	})
}
