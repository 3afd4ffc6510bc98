package gate

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestReference compares with numbers that testdata/reference.py worked out in another way.
func TestReference(t *testing.T) {
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	type counts [2]float64
	var cases struct {
		Compared []struct {
			Canary, Primary counts
			Want            likelihood
		}
		Held []struct {
			Canary  counts
			Allowed float64
			Want    likelihood
		}
		Scatter []struct {
			Counts []counts
			Want   [len(blocks)][3]float64
		}
		Against []struct {
			Ticks [][4]float64
			Want  [4]float64
		}
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	near := func(what string, i int, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-7*max(1, math.Abs(want)) {
			t.Errorf("%s %d is %v, want %v", what, i, got, want)
		}
	}
	of := func(c counts) Counts { return Counts{c[0], c[1]} }
	for i, c := range cases.Compared {
		for j, got := range compared(of(c.Canary), of(c.Primary)) {
			near("compared", i, got, c.Want[j])
		}
	}
	for i, c := range cases.Held {
		for j, got := range held(of(c.Canary), c.Allowed) {
			near("held", i, got, c.Want[j])
		}
	}
	for i, c := range cases.Scatter {
		var d Dispersion
		var open [2]pairs
		for _, tick := range c.Counts {
			d.add(&open, of(tick), Counts{})
		}
		for j, s := range d {
			near("found", i, s.Found, c.Want[j][0])
			near("expected", i, s.Expected, c.Want[j][1])
			near("variance", i, s.Primary, c.Want[j][2])
		}
	}
	for i, c := range cases.Against {
		var e MeasureEvidence
		for _, tick := range c.Ticks {
			e.add(Measure{Allowed: 1}, Counts{tick[0], tick[1]}, Counts{tick[2], tick[3]}, 100)
		}
		for j, d := range []float64{1, 2.5} {
			near("against as good", i, e.Primarily.against(asGood, d, e.Compared), c.Want[j])
			near("against tolerated", i, e.Primarily.against(asBadAsToBear, d, e.Compared), c.Want[2+j])
		}
	}
	if len(cases.Compared) == 0 || len(cases.Held) == 0 || len(cases.Scatter) == 0 || len(cases.Against) == 0 {
		t.Error("the reference is empty")
	}
}
