package v1beta1

import (
	"encoding/json"
	"math"
	"testing"
)

func TestNumberReadsEveryJSONNumber(t *testing.T) {
	for text, want := range map[string]struct {
		number  Number
		integer int
		whole   bool
		written string
	}{
		"0":        {0, 0, true, "0"},
		"5":        {5, 5, true, "5"},
		"2.0":      {2, 2, true, "2"},
		"2.5":      {2.5, 2, false, "2.5"},
		"-1":       {-1, -1, true, "-1"},
		"-1.9":     {-1.9, -1, false, "-1.9"},
		"99.95":    {99.95, 99, false, "99.95"},
		"86400":    {86400, 86400, true, "86400"},
		"1e3":      {1000, 1000, true, "1000"},
		"1e300":    {1e300, math.MaxInt, true, "1e+300"},
		"-1e300":   {-1e300, math.MinInt, true, "-1e+300"},
		"16777217": {16777217, 16777217, true, "16777217"},
	} {
		var n Number
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		written, err := json.Marshal(n)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if n != want.number || n.Int() != want.integer || n.IsWhole() != want.whole || string(written) != want.written {
			t.Errorf("%s is %v, Int %d, IsWhole %t, written %s; expected %+v", text, n, n.Int(), n.IsWhole(), written, want)
		}
	}
}

func TestNumberThatIsAbsent(t *testing.T) {
	var analysis CanaryAnalysis
	if err := json.Unmarshal([]byte(`{"threshold": 0, "maxWeight": null}`), &analysis); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		number *Number
		want   int
	}{
		"a zero is there":      {analysis.Threshold, 0},
		"null is absent":       {analysis.MaxWeight, 7},
		"not written":          {analysis.StepWeight, 7},
		"a fraction is cut":    {new(Number(2.5)), 2},
		"a whole number stays": {new(Number(50)), 50},
	} {
		if got := c.number.IntOr(7); got != c.want {
			t.Errorf("%s: got %d, expected %d", name, got, c.want)
		}
	}
}
