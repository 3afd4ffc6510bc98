package gate

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// both is the demo's standard.
var both = Standard{FalseRollbackRate: 0.01, Measures: []Measure{
	{Name: "errors", Allowed: 0.01}, {Name: "latency", SlowMS: 500, Allowed: 0.01},
}}

// does is an arm with so many requests, failed and slow ones.
func does(requests, failed, slow uint64) Arm {
	return Arm{Window: Window{Requests: requests, Failures: failed, Latency: []Bucket{
		{UpperMS: 250, Count: requests - slow}, {UpperMS: 500, Count: requests - slow}, {UpperMS: math.Inf(1), Count: requests},
	}}}
}

// play gives the judgement after a tick was seen so many times, and in how many of them the verdict fell.
func play(ticks ...repeated) (Judgement, int) {
	var e Evidence
	n := 0
	for range 90 {
		e.Add(both, Tick{Primary: does(95, 0, 0)}, false)
	}
	for _, r := range ticks {
		for range r.times {
			n++
			e.Add(both, r.tick, true)
			if j := both.Judge(e); j.Verdict == Fail {
				return j, n
			}
		}
	}
	return both.Judge(e), 0
}

type repeated struct {
	times int
	tick  Tick
}

func TestContinuously(t *testing.T) {
	well := Tick{Canary: does(50, 0, 0), Primary: does(50, 0, 0)}
	for name, c := range map[string]struct {
		ticks []repeated
		want  string // verdict, the ticks that it took, crash
	}{
		"all is well": {[]repeated{{60, well}}, "Pass 0 "},
		"too little to tell": {
			[]repeated{{60, Tick{Canary: does(1, 0, 0), Primary: does(99, 0, 0)}}}, "Inconclusive 0 "},
		"nobody calls the canary": {[]repeated{{600, Tick{Primary: does(99, 1, 0)}}}, "Inconclusive 0 "},
		"all requests fail from the first on": {
			[]repeated{{9, Tick{Canary: does(50, 50, 0), Primary: does(50, 0, 0)}}}, "Fail 2 Collapse"},
		"all requests fail after ten minutes without one": {
			[]repeated{{600, well}, {9, Tick{Canary: does(50, 50, 0), Primary: does(50, 0, 0)}}}, "Fail 602 Collapse"},
		"one bad second, whatever was bad in it": {
			[]repeated{{60, well}, {1, Tick{Canary: does(50, 50, 0), Primary: does(50, 0, 0)}}, {60, well}}, "Inconclusive 0 "},
		"a tenth fails": {
			[]repeated{{60, Tick{Canary: does(50, 5, 0), Primary: does(50, 0, 0)}}}, "Fail 5 "},
		"a tenth is slow": {
			[]repeated{{60, Tick{Canary: does(50, 0, 5), Primary: does(50, 0, 0)}}}, "Fail 5 "},
		"a tenth fails of both": {
			[]repeated{{600, Tick{Canary: does(50, 5, 0), Primary: does(50, 5, 0)}}}, "Inconclusive 0 "},
		"everything fails of both": {
			[]repeated{{600, Tick{Canary: does(50, 50, 50), Primary: does(50, 50, 50)}}}, "Inconclusive 0 "},
		"both fail, the weight moves": {[]repeated{
			{100, Tick{Canary: does(10, 1, 0), Primary: does(90, 9, 0)}},
			{100, Tick{Canary: does(90, 9, 0), Primary: does(10, 1, 0)}},
		}, "Inconclusive 0 "},
		"the primary has no traffic, the canary meets its objective": {
			[]repeated{{60, Tick{Canary: does(50, 0, 0)}}}, "Pass 0 "},
		"the primary has no traffic, the canary misses its objective": {
			[]repeated{{60, Tick{Canary: does(50, 5, 0)}}}, "Fail 5 "},
		"a pod crashes again and again": {
			[]repeated{{9, Tick{Canary: Arm{CrashLooping: []string{"a"}}, Primary: does(9, 0, 0)}}}, "Fail 1 CrashLoop"},
		"pods of both do": {
			[]repeated{{9, Tick{Canary: Arm{CrashLooping: []string{"a"}}, Primary: Arm{CrashLooping: []string{"b"}}}}}, "Inconclusive 0 "},
		"no caller reaches the canary": {
			[]repeated{{9, Tick{Canary: unreached(3), Primary: does(9, 0, 0)}}}, "Fail 1 Unreachable"},
		"no caller reaches either": {
			[]repeated{{9, Tick{Canary: unreached(3), Primary: unreached(9)}}}, "Inconclusive 0 "},
		"two callers do not": {
			[]repeated{{1, Tick{Canary: unreached(2), Primary: does(9, 0, 0)}}}, "Inconclusive 0 "},
	} {
		j, n := play(c.ticks...)
		if got := fmt.Sprintf("%s %d %s", j.Verdict, n, j.Crash); got != c.want {
			t.Errorf("%s: %s, want %s\n%+v", name, got, c.want, j)
		}
	}
}

func unreached(n uint64) Arm {
	return Arm{Window: Window{Requests: n, Failures: n, Unreached: n}}
}

func TestSlower(t *testing.T) {
	h := []Bucket{{100, 50}, {250, 80}, {500, 95}, {math.Inf(1), 100}}
	for name, c := range map[string]struct {
		ms, want float64
	}{
		"at a bound":                 {250, 20},
		"inside a bucket":            {300, 5}, // up to 500 they may have been in time
		"below the first":            {1, 50},
		"beyond the last, who knows": {600, 0},
	} {
		if got := slower(h, c.ms); got != (Counts{100, c.want}) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := slower(nil, 100); got != (Counts{}) {
		t.Errorf("without a histogram: %v", got)
	}
}

// A failing tick is one that was worse than the objective allows and than the primary was. It is made up for by as many
// good requests as the objective asks for, and by nothing else.
func TestDebt(t *testing.T) {
	var e MeasureEvidence
	m := both.Measures[0]
	for i, c := range []struct {
		canary, primary Counts
		want            float64
	}{
		{Counts{100, 1}, Counts{100, 0}, 0},   // as much as it may
		{Counts{100, 3}, Counts{100, 0}, 2},   // two too many
		{Counts{0, 0}, Counts{100, 0}, 2},     // time alone does not help
		{Counts{150, 0}, Counts{100, 0}, 0.5}, // a hundred good ones for each
		{Counts{100, 0}, Counts{100, 0}, 0},   // nothing is saved for later
		{Counts{100, 9}, Counts{100, 9}, 0},   // a common outage is not its debt
		{Counts{100, 10}, Counts{100, 9}, 1},
	} {
		if e.add(m, c.canary, c.primary, both.limit()); math.Abs(e.Debt-c.want) > 1e-9 {
			t.Errorf("after %d: %v, want %v", i, e.Debt, c.want)
		}
	}
}

// anyTick draws what may happen in a second.
func anyTick(t *rapid.T) Tick {
	arm := func(name string) Arm {
		n := rapid.Uint64Range(0, 60).Draw(t, name)
		a := does(n, rapid.Uint64Range(0, n).Draw(t, name+" failed"), rapid.Uint64Range(0, n).Draw(t, name+" slow"))
		if rapid.IntRange(0, 3).Draw(t, name+" fails") > 0 {
			a = does(n, 0, 0)
		}
		return a
	}
	return Tick{Canary: arm("canary"), Primary: arm("primary")}
}

// TestResume writes the evidence down after any ticks and reads it again: the judgement is the same, and both see the same
// in what follows, up to what the open blocks of the dispersion held.
func TestResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e Evidence
		for range rapid.IntRange(1, 200).Draw(t, "ticks") {
			e.Add(both, anyTick(t), rapid.IntRange(0, 9).Draw(t, "compare") > 0)
		}
		resumed := Evidence{Ticks: e.Ticks, Crash: e.Crash}
		for _, m := range e.Measures {
			read, err := ParseMeasureEvidence(m.Text())
			if err != nil {
				t.Fatal(err)
			}
			resumed.Measures = append(resumed.Measures, read)
		}
		before, after := both.Judge(e), both.Judge(resumed)
		if math.Abs(before.Evidence-after.Evidence) > 1e-2*max(1, math.Abs(before.Evidence)) || before.Owing() != after.Owing() {
			t.Fatalf("before %+v\nafter %+v", before, after)
		}
		for range 3 {
			resumed.Add(both, Tick{Canary: does(50, 50, 0), Primary: does(50, 0, 0)}, true)
		}
		if both.Judge(resumed).Verdict != Fail {
			t.Fatal("it sees nothing any more")
		}
	})
	for _, text := range []string{"", "1 2 3", "x" + (MeasureEvidence{}).Text()} {
		if _, err := ParseMeasureEvidence(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestMoreBadRequestsNeverHelp gives the canary one more bad request somewhere: the evidence against it does not sink.
// (The dispersion may rise, so the bare likelihoods are compared.)
func TestMoreBadRequestsNeverHelp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var better, worse MeasureEvidence
		m := both.Measures[0]
		at := rapid.IntRange(0, 20).Draw(t, "at")
		for i := range 21 {
			tick := anyTick(t)
			c, p := m.count(tick.Canary), m.count(tick.Primary)
			better.add(m, c, p, math.Inf(1))
			if i == at && c.Bad < c.Requests {
				c.Bad++
			}
			worse.add(m, c, p, math.Inf(1))
		}
		for i := range ratios {
			if worse.Primarily.Now[i] < better.Primarily.Now[i]-1e-9 || worse.Objectively.Now[i] < better.Objectively.Now[i]-1e-9 {
				t.Fatalf("ratio %v: %v, %v", ratios[i], better, worse)
			}
		}
	})
}

// No tick says more than its share, and one bad request always counts.
func TestMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float64Range(1, 1000).Draw(t, "requests")
		primary := Counts{rapid.Float64Range(1, 1000).Draw(t, "primary"), float64(rapid.IntRange(0, 9).Draw(t, "bad"))}
		say := func(bad float64) likelihood { return compared(Counts{n, bad}, primary) }
		bad := rapid.Float64Range(0, n).Draw(t, "canary bad")
		counts := most(bad, 2, say)
		if counts > bad || counts < min(bad, 1) {
			t.Fatalf("%v of %v count", counts, bad)
		}
		for i := range ratios {
			for _, h := range []int{asGood, asBadAsToBear} {
				if l := say(counts); counts > 1 && l.over(h, i) > 2+1e-9 {
					t.Fatalf("%v says %v", counts, l)
				}
			}
		}
	})
}
