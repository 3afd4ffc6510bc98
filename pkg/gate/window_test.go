package gate

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSuccessRate(t *testing.T) {
	for name, c := range map[string]struct {
		requests, failures uint64
		want               float64
		ok                 bool
	}{
		"all well":                    {1000, 0, 100, true},
		"some fail":                   {120, 37, 69.16666666666667, true},
		"all fail":                    {3, 3, 0, true},
		"no request says nothing":     {0, 0, 0, false},
		"more failures than requests": {2, 3, 0, true}, // readings of one moment are not quite of one moment
	} {
		if got, ok := (Window{Requests: c.requests, Failures: c.failures}).SuccessRate(); got != c.want || ok != c.ok {
			t.Errorf("%s: %v %v, want %v %v", name, got, ok, c.want, c.ok)
		}
	}
}

// The reference numbers are histogram_quantile's over the same buckets.
func TestQuantile(t *testing.T) {
	h := []Bucket{{5, 0}, {10, 50}, {25, 90}, {50, 99}, {100, 100}, {math.Inf(1), 100}}
	for name, c := range map[string]struct {
		h    []Bucket
		q    float64
		want float64
		ok   bool
	}{
		"the median is a bound":          {h, 0.5, 10, true},
		"inside a bucket":                {h, 0.75, 19.375, true},
		"p99":                            {h, 0.99, 50, true},
		"all":                            {h, 1, 100, true},
		"none":                           {h, 0, 0, true},
		"in the first bucket":            {[]Bucket{{10, 4}, {math.Inf(1), 4}}, 0.5, 5, true},
		"beyond the last bound":          {[]Bucket{{10, 4}, {math.Inf(1), 8}}, 0.99, 10, true},
		"only beyond the last bound":     {[]Bucket{{math.Inf(1), 8}}, 0.99, 0, false},
		"without requests":               {[]Bucket{{10, 0}, {math.Inf(1), 0}}, 0.5, 0, false},
		"without buckets":                {nil, 0.5, 0, false},
		"of a share that is no share":    {h, 1.5, 0, false},
		"of a share that is not a share": {h, math.NaN(), 0, false},
	} {
		got, ok := Window{Latency: c.h}.Quantile(c.q)
		if math.Abs(got-c.want) > 1e-9 || ok != c.ok {
			t.Errorf("%s: %v %v, want %v %v", name, got, ok, c.want, c.ok)
		}
	}
}

// The estimate is never further from the exact quantile than the bucket that it is in is wide.
func TestQuantileIsNear(t *testing.T) {
	bounds := []float64{0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0.01, 3e6), 1, 300).Draw(t, "values")
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		slices.Sort(values)
		var h []Bucket
		for _, b := range append(slices.Clone(bounds), math.Inf(1)) {
			n, _ := slices.BinarySearchFunc(values, b, func(v, bound float64) int {
				if v <= bound {
					return -1
				}
				return 1
			})
			h = append(h, Bucket{b, uint64(n)})
		}
		exact := values[int(math.Ceil(q*float64(len(values))))-1]
		i, _ := slices.BinarySearch(bounds, exact)
		lower, upper := 0.0, bounds[min(i, len(bounds)-1)]
		if i > 0 {
			lower = bounds[i-1]
		}
		if got, ok := (Window{Latency: h}).Quantile(q); !ok || got < lower-1e-6 || got > upper+1e-6 {
			t.Fatalf("quantile %v is %v, exactly %v in %v..%v", q, got, exact, lower, upper)
		}
	})
}

func TestHistogramsOfDifferentBounds(t *testing.T) {
	a := []Bucket{{10, 5}, {20, 8}, {math.Inf(1), 10}}
	b := []Bucket{{15, 2}, {math.Inf(1), 4}}
	want := []Bucket{{10, 5}, {15, 7}, {20, 10}, {math.Inf(1), 14}}
	if got := add(a, b); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := add(b, a); !slices.Equal(got, want) {
		t.Errorf("the other way round %v, want %v", got, want)
	}
	if got := sub(a, []Bucket{{10, 1}, {20, 2}, {math.Inf(1), 2}}); !slices.Equal(got, []Bucket{{10, 4}, {20, 6}, {math.Inf(1), 8}}) {
		t.Errorf("the difference is %v", got)
	}
}

func TestJudge(t *testing.T) {
	low, high := 99.0, 100.0
	for name, c := range map[string]struct {
		r     Range
		value float64
		want  Verdict
	}{
		"on the lower bound":    {Range{Min: &low}, 99, Pass},
		"below it":              {Range{Min: &low}, 98.999, Fail},
		"on the upper bound":    {Range{Max: &high}, 100, Pass},
		"above it":              {Range{Max: &high}, 100.1, Fail},
		"between":               {Range{Min: &low, Max: &high}, 99.5, Pass},
		"without bounds":        {Range{}, -1, Pass},
		"a number that is none": {Range{Min: &low}, math.NaN(), Inconclusive},
	} {
		if got := c.r.Judge(c.value); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
