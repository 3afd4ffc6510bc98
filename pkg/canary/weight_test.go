package canary

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func num(f float64) *canaryv1beta1.Number {
	n := canaryv1beta1.Number(f)
	return &n
}

func nums(fs ...float64) []canaryv1beta1.Number {
	var out []canaryv1beta1.Number
	for _, f := range fs {
		out = append(out, canaryv1beta1.Number(f))
	}
	return out
}

func TestSchedule(t *testing.T) {
	for name, c := range map[string]struct {
		analysis canaryv1beta1.CanaryAnalysis
		want     []int
	}{
		"even steps to the maximum": {canaryv1beta1.CanaryAnalysis{StepWeight: num(5), MaxWeight: num(20)}, []int{5, 10, 15, 20}},
		"a step that does not divide the maximum ends at the maximum, not above it": {
			canaryv1beta1.CanaryAnalysis{StepWeight: num(20), MaxWeight: num(50)}, []int{20, 40, 50}},
		"without a maximum up to everything": {canaryv1beta1.CanaryAnalysis{StepWeight: num(40)}, []int{40, 80, 100}},
		"a maximum above everything is everything": {
			canaryv1beta1.CanaryAnalysis{StepWeight: num(60), MaxWeight: num(500)}, []int{60, 100}},
		"fractions are rounded down but not lost": {
			canaryv1beta1.CanaryAnalysis{StepWeight: num(2.5), MaxWeight: num(10)}, []int{2, 5, 7, 10}},
		"steps of less than a percent take several checks": {
			canaryv1beta1.CanaryAnalysis{StepWeight: num(0.5), MaxWeight: num(2)}, []int{1, 2}},
		"a step of next to nothing is none": {canaryv1beta1.CanaryAnalysis{StepWeight: num(1e-9)}, nil},
		"no step":                           {canaryv1beta1.CanaryAnalysis{}, nil},
		"a step of zero":                    {canaryv1beta1.CanaryAnalysis{StepWeight: num(0)}, nil},
		"a negative step":                   {canaryv1beta1.CanaryAnalysis{StepWeight: num(-5)}, nil},
		"a list":                            {canaryv1beta1.CanaryAnalysis{StepWeights: nums(1, 2, 10, 80)}, []int{1, 2, 10, 80}},
		"a list with duplicates":            {canaryv1beta1.CanaryAnalysis{StepWeights: nums(10, 20, 20, 50)}, []int{10, 20, 50}},
		"a descending list is its first":    {canaryv1beta1.CanaryAnalysis{StepWeights: nums(50, 10)}, []int{50}},
		"a list of zeros":                   {canaryv1beta1.CanaryAnalysis{StepWeights: nums(0, 0)}, nil},
		"a list beyond everything":          {canaryv1beta1.CanaryAnalysis{StepWeights: nums(50, 150, 200)}, []int{50, 100}},
		"an even step wins over a list":     {canaryv1beta1.CanaryAnalysis{StepWeight: num(10), StepWeights: nums(20, 30)}, []int{10, 20, 30}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, schedule(c.analysis)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScheduleLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := canaryv1beta1.CanaryAnalysis{
			MaxWeight: num(rapid.Float64Range(-10, 200).Draw(t, "max")),
		}
		if rapid.Bool().Draw(t, "even") {
			a.StepWeight = num(rapid.Float64Range(-5, 120).Draw(t, "step"))
		} else {
			a.StepWeights = nums(rapid.SliceOfN(rapid.Float64Range(-20, 150), 0, 8).Draw(t, "steps")...)
		}
		steps, last := schedule(a), 0
		for _, w := range steps {
			if w <= last || w > 100 {
				t.Fatalf("%v does not ascend within 100", steps)
			}
			last = w
		}
		if len(steps) > 100 {
			t.Fatalf("%d steps", len(steps))
		}
		// Wherever it stands, the next weight is the nearest above, and one after the other they end.
		at, n := rapid.IntRange(0, 100).Draw(t, "weight"), 0
		for {
			next, more := nextWeight(steps, at)
			if !more {
				break
			}
			if next <= at {
				t.Fatalf("from %d to %d", at, next)
			}
			if at, n = next, n+1; n > 100 {
				t.Fatal("does not end")
			}
		}
	})
}
