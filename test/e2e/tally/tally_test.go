package tally

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	seen := &Tally{}
	for i := range 1000 {
		name := "name:red"
		if i%5 != 0 {
			name = "name:blue"
		}
		seen.Add(10+i%7, "status:200", name)
	}
	for sentence, c := range map[string]struct{ want, complaint string }{
		"a share inside its band":         {want: "name:blue=80%"},
		"a share outside its band":        {want: "name:blue=70%", complaint: "want name:blue=70%, got 800 of 1000 requests (band 652 to 747)"},
		"a share of nothing":              {want: "name:green=0%"},
		"an exact count":                  {want: "name:red=200"},
		"a wrong count":                   {want: "name:red=201", complaint: "want name:red=201, got 200 of 1000 requests"},
		"all":                             {want: "status:200=all"},
		"not all":                         {want: "name:red=all", complaint: "want name:red=all, got 200"},
		"more than":                       {want: "name:red>199"},
		"not more than":                   {want: "name:red>200", complaint: "want name:red>200, got 200"},
		"less than":                       {want: "slowest<17"},
		"not less than":                   {want: "slowest<16", complaint: "want slowest<16, got 16"},
		"the fastest":                     {want: "fastest=10"},
		"a facet that has an equals sign": {want: "path:/a=b=0"},
		"no relation":                     {want: "name:red", complaint: `"name:red" is no expectation`},
		"no number":                       {want: "name:red=many", complaint: `"name:red=many" is no expectation`},
	} {
		err := seen.Check(c.want)
		switch {
		case c.complaint == "" && err != nil:
			t.Errorf("%s: %v", sentence, err)
		case c.complaint != "" && (err == nil || !strings.Contains(err.Error(), c.complaint)):
			t.Errorf("%s: got %v, want %q", sentence, err, c.complaint)
		}
	}
	if err := new(Tally).Check("status:200=all"); err == nil {
		t.Error("all of nothing is not a proof")
	}
}

func TestTallyTravelsAsOneLine(t *testing.T) {
	seen := &Tally{}
	seen.Add(3, "status:200")
	var got Tally
	if err := json.Unmarshal([]byte(seen.String()), &got); err != nil || got.Facets["status:200"] != 1 || got.Slowest != 3 {
		t.Errorf("%v of %s", err, seen)
	}
}

func TestBandHoldsWhatChanceGives(t *testing.T) {
	for _, c := range []struct {
		n         int
		share     float64
		low, high int
	}{
		{1000, 0.8, 757, 841},
		{100, 0.05, 0, 13},
		{100, 0, 0, 0},
		{100, 1, 100, 100},
	} {
		if low, high := Band(c.n, c.share); low != c.low || high != c.high {
			t.Errorf("Band(%d, %v) is %d to %d, want %d to %d", c.n, c.share, low, high, c.low, c.high)
		}
	}
}

// TestTime keeps the first and the last request of each facet, whatever the order in which they come.
func TestTime(t *testing.T) {
	seen, start := &Tally{}, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for _, second := range []int{3, 1, 4, 2} {
		facet := "name:red"
		if second%2 == 0 {
			facet = "name:blue"
		}
		seen.Time(start.Add(time.Duration(second)*time.Second), facet)
	}
	want := map[string]Span{
		"name:red":  {start.Add(1 * time.Second), start.Add(3 * time.Second)},
		"name:blue": {start.Add(2 * time.Second), start.Add(4 * time.Second)},
	}
	if !maps.Equal(seen.Spans, want) {
		t.Errorf("got %v, want %v", seen.Spans, want)
	}
}
