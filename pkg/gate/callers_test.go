package gate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// tell is one reading of a side: so many requests, failures among them, and abandoned ones, counted so far.
type tell struct {
	second                      int
	requests, failed, abandoned uint64
}

func side(all []tell) *History {
	var h History
	for _, r := range all {
		s := read{"a", "1", r.second, r.requests, r.failed, 0}.sample()
		s.Abandoned = r.abandoned
		h.Add(s)
	}
	return &h
}

func TestBothSides(t *testing.T) {
	for name, c := range map[string]struct {
		own, callers []tell
		want         string // requests/failures, unreached
	}{
		"both count the same": {
			[]tell{{0, 0, 0, 0}, {60, 100, 7, 0}}, []tell{{0, 0, 0, 0}, {60, 100, 7, 0}}, "100/7 0"},
		"nobody reports": {
			[]tell{{0, 0, 0, 0}, {60, 100, 7, 0}}, nil, "100/7 0"},
		"not all callers report": {
			[]tell{{0, 0, 0, 0}, {60, 100, 7, 0}}, []tell{{0, 0, 0, 0}, {60, 40, 2, 0}}, "100/7 0"},
		"it answers some and refuses the rest": {
			[]tell{{0, 0, 0, 0}, {60, 80, 2, 0}}, []tell{{0, 0, 0, 0}, {60, 100, 22, 0}}, "100/22 20"},
		"the pods cannot be read, and callers are content": {
			nil, []tell{{0, 0, 0, 0}, {60, 100, 0, 0}}, "100/0 0"},
		"the pods cannot be read, and callers are not": {
			nil, []tell{{0, 0, 0, 0}, {60, 100, 30, 0}}, "100/30 30"},
		"it never answers": {
			[]tell{{0, 0, 0, 0}, {60, 0, 0, 0}}, []tell{{0, 0, 0, 0}, {60, 20, 20, 0}}, "20/20 20"},
		"it never answers, and callers do not wait for their proxy to say so": {
			[]tell{{0, 0, 0, 0}, {60, 0, 0, 0}}, []tell{{0, 0, 0, 0}, {60, 0, 0, 12}}, "12/12 12"},
		"one of them walks away": {
			[]tell{{0, 0, 0, 0}, {60, 0, 0, 0}}, []tell{{0, 0, 0, 0}, {60, 0, 0, 1}}, "0/0 0"},
		"some walk away from what answers others": {
			[]tell{{0, 0, 0, 0}, {60, 5, 0, 0}}, []tell{{0, 0, 0, 0}, {60, 5, 0, 12}}, "5/0 0"},
		"what the pods counted before the window is told in it": {
			[]tell{{-30, 0, 0, 0}, {-2, 50, 10, 0}, {60, 150, 10, 0}}, []tell{{-30, 0, 0, 0}, {-2, 30, 0, 0}, {60, 150, 10, 0}}, "100/0 0"},
		"callers tell in a short window what failed in a longer one": {
			[]tell{{-1, 1000, 0, 0}, {0, 1040, 40, 0}, {60, 1052, 52, 0}}, []tell{{-1, 1000, 0, 0}, {60, 1050, 50, 0}}, "12/12 0"},
		"the pods are read late, and callers tell meanwhile": {
			[]tell{{-1, 1000, 0, 0}, {0, 1040, 40, 0}}, []tell{{-1, 1000, 0, 0}, {60, 1040, 40, 0}}, "0/0 0"},
		"the pods crashed a moment ago": {
			[]tell{{-1, 1000, 0, 0}, {0, 1040, 0, 0}}, []tell{{0, 1040, 0, 0}, {60, 1090, 50, 0}}, "50/50 50"},
		"callers of gRPC see failures in answers that HTTP calls good": {
			[]tell{{0, 0, 0, 0}, {60, 100, 0, 0}}, []tell{{0, 0, 0, 0}, {60, 100, 40, 0}}, "100/40 40"},
		"nothing": {nil, nil, "0/0 0"},
	} {
		w := BothSides(side(c.own), side(c.callers), at(0), at(60))
		if got := fmt.Sprintf("%d/%d %d", w.Requests, w.Failures, w.Unreached); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Silence of the pods stays silence: only callers' failures are evidence, not their absence.
func TestUnreachableIsToldBesideWhatCallersSaw(t *testing.T) {
	own, callers := &History{}, side([]tell{{0, 0, 0, 0}, {60, 10, 0, 0}})
	own.AddUnreachable("a", at(50), errors.New("connection refused"))
	if w := BothSides(own, callers, at(0), at(60)); w.Unreachable != 1 || w.Requests != 10 {
		t.Errorf("%+v", w)
	}
}

// TestNothingCountsTwice lets a workload answer, fail, and crash at random, with callers who tell up to three seconds late:
// no window holds more failures than there were in it and shortly before, and a crash is never overlooked for good.
func TestNothingCountsTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const life = 60
		var own, callers History
		var requests, failed, refused [life + 1]uint64 // so far
		delay := rapid.IntRange(0, 3).Draw(t, "delay")
		for i := 1; i <= life; i++ {
			requests[i] = requests[i-1] + uint64(rapid.IntRange(0, 20).Draw(t, "requests"))
			failed[i] = failed[i-1] + uint64(rapid.IntRange(0, int(requests[i]-requests[i-1])).Draw(t, "failed"))
			refused[i] = refused[i-1] + uint64(rapid.SampledFrom([]int{0, 0, 0, 5}).Draw(t, "refused"))
		}
		for i := range life + 1 {
			told := max(0, i-delay)
			own.Add(read{"a", "1", i, requests[i], failed[i], 0}.sample())
			callers.Add(read{"b", "1", i, requests[told] + refused[told], failed[told] + refused[told], 0}.sample())
		}
		from := rapid.IntRange(0, life-1).Draw(t, "from")
		to := rapid.IntRange(from+1, life).Draw(t, "to")
		w := BothSides(&own, &callers, at(from), at(to))
		before := max(0, from-delay)
		if most := failed[to] - failed[from] + refused[to] - refused[before]; w.Failures > most {
			t.Fatalf("%d failures in (%d, %d], there were at most %d", w.Failures, from, to, most)
		}
		if failed[to] == failed[max(0, from-int(reportDelay/time.Second))] && w.Unreached != refused[max(0, to-delay)]-refused[before] {
			t.Fatalf("%d unreached in (%d, %d]: the pods failed nothing, so every refusal counts", w.Unreached, from, to)
		}
	})
}
