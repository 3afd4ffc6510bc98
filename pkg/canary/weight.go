package canary

import (
	"math"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// fullWeight is what the weights of a route sum to, in percent.
const fullWeight = 100

// schedule lists the canary's weights, in percent, strictly ascending. Each check that passes takes the next one; after
// the last the canary is promoted. An empty schedule never shifts any traffic.
//
//	stepWeight 5, maxWeight 20    5 10 15 20
//	stepWeight 20, maxWeight 50   20 40 50        Flagger overshoots to 60; a maximum is a maximum here
//	stepWeight 2.5, maxWeight 10  2 5 7 10        routes take whole percents, rounded down
//	stepWeights 1 2 10 80         1 2 10 80
//	stepWeights 10 20 20 5 50     10 20 50        what does not ascend is left out; Flagger hangs or jumps to 100
func schedule(a canaryv1beta1.CanaryAnalysis) []int {
	if a.StepWeight != nil && *a.StepWeight > 0 {
		return evenSteps(float64(*a.StepWeight), maxWeight(a))
	}
	var out []int
	last := 0
	for _, n := range a.StepWeights {
		if w := min(n.Int(), fullWeight); w > last {
			out, last = append(out, w), w
		}
	}
	return out
}

func evenSteps(step float64, limit int) []int {
	var out []int
	last := 0
	for i := 1; last < limit; i++ {
		w := int(math.Floor(step * float64(i)))
		if w = min(w, limit); w > last {
			out, last = append(out, w), w
		}
		if i > limit*fullWeight {
			// A hundredth of a percent is the smallest step: below it the rollout would not end in any useful time.
			return nil
		}
	}
	return out
}

// maxWeight is the weight, in percent, from which the canary is promoted.
func maxWeight(a canaryv1beta1.CanaryAnalysis) int {
	if n := len(a.StepWeights); n > 0 {
		return min(fullWeight, max(0, a.StepWeights[n-1].Int()))
	}
	if w := a.MaxWeight.IntOr(0); w > 0 {
		return min(fullWeight, w)
	}
	return fullWeight
}

// nextWeight is the smallest weight of the schedule above the present one, false when there is none left.
// It asks for the weight rather than the index, so a schedule that is edited during a rollout is entered where the
// canary stands: it never skips a step, and never jumps to the end.
func nextWeight(steps []int, weight int) (int, bool) {
	for _, w := range steps {
		if w > weight {
			return w, true
		}
	}
	return weight, false
}
