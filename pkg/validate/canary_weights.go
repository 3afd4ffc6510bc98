package validate

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// full weight, in percent: all traffic.
const allTraffic = 100

// stepped reports whether the weights of a Canary are ever used. Mistakes in weights that are not used are only told:
// they cannot break anything until the Canary changes, and then they are judged again.
func stepped(canary *canaryv1beta1.Canary) bool {
	return !canary.Spec.SkipAnalysis && canary.Spec.Provider != canaryv1beta1.ProviderKubernetes &&
		canary.Spec.Analysis.Iterations.IntOr(0) <= 0
}

func weightSeverity(canary *canaryv1beta1.Canary) Severity {
	if stepped(canary) {
		return Deny
	}
	return Warn
}

// stepsByList reports whether stepWeights says how to climb: a positive stepWeight wins over it.
func stepsByList(analysis *canaryv1beta1.CanaryAnalysis) bool {
	return analysis.StepWeights != nil && analysis.StepWeight.IntOr(0) <= 0
}

// canaryStepsClimb is SL029.
func canaryStepsClimb(c change[canaryv1beta1.Canary]) []problem {
	analysis := c.new.Spec.Analysis
	if analysis == nil {
		return nil
	}
	path, severity := field.NewPath("spec", "analysis"), weightSeverity(c.new)
	if stepsByList(analysis) {
		return listClimbs(path.Child("stepWeights"), severity, analysis.StepWeights)
	}
	if analysis.StepWeight == nil || analysis.StepWeight.Int() > 0 {
		return nil
	}
	return []problem{{
		path.Child("stepWeight"), severity,
		fmt.Sprintf("stepWeight %v never raises the canary's weight, so the release would hang at its first step; set stepWeight to a whole number from 1 to %d, such as 5",
			*analysis.StepWeight, maxWeight(analysis)),
	}}
}

func listClimbs(path *field.Path, severity Severity, steps []canaryv1beta1.Number) []problem {
	if len(steps) == 0 {
		return []problem{{path, severity, "stepWeights is empty, so the release would hang before its first step; list ascending weights, such as [5, 20, 50]"}}
	}
	last := 0
	for i, step := range steps {
		switch {
		case step.Int() <= 0:
			return []problem{{
				path.Index(i), severity,
				fmt.Sprintf("step %v never raises the canary's weight; write %s", step, suggest(steps)),
			}}
		case step.Int() <= last:
			return []problem{{
				path.Index(i), severity,
				fmt.Sprintf("step %v comes after %v, but each step must be greater than the one before, else the release hangs there; write %s", step, steps[i-1], suggest(steps)),
			}}
		}
		last = step.Int()
	}
	return nil
}

// suggest is the list in order, without what cannot be a step.
func suggest(steps []canaryv1beta1.Number) string {
	var good []int
	for _, step := range steps {
		if n := min(step.Int(), allTraffic); n > 0 {
			good = append(good, n)
		}
	}
	slices.Sort(good)
	good = slices.Compact(good)
	if len(good) == 0 {
		return "ascending weights instead, such as stepWeights: [5, 20, 50]"
	}
	return "stepWeights: [" + join(good) + "]"
}

func join(numbers []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, ", ")
}

// maxWeight is the weight from which the canary is promoted.
func maxWeight(analysis *canaryv1beta1.CanaryAnalysis) int {
	if n := len(analysis.StepWeights); n > 0 && stepsByList(analysis) {
		return min(analysis.StepWeights[n-1].Int(), allTraffic)
	}
	if n := analysis.MaxWeight.IntOr(0); n > 0 {
		return n
	}
	return allTraffic
}

// canaryWeightsBounded is SL030.
func canaryWeightsBounded(c change[canaryv1beta1.Canary]) []problem {
	analysis := c.new.Spec.Analysis
	if analysis == nil {
		return nil
	}
	path, severity := field.NewPath("spec", "analysis"), weightSeverity(c.new)
	if stepsByList(analysis) {
		return listBounded(path, analysis)
	}
	highest := maxWeight(analysis)
	if highest > allTraffic {
		return []problem{{
			path.Child("maxWeight"), severity,
			fmt.Sprintf("maxWeight %v is more than 100 percent, a weight that is never reached, so the canary would never be promoted; set maxWeight from 1 to 100", *analysis.MaxWeight),
		}}
	}
	step := analysis.StepWeight.IntOr(0)
	switch {
	case step <= 0: // SL029 or SL031 speaks
		return nil
	case step > allTraffic:
		return []problem{{
			path.Child("stepWeight"), severity,
			fmt.Sprintf("the first step, stepWeight %d, is more than 100 percent; set stepWeight from 1 to %d, such as 5", step, highest),
		}}
	case step > highest:
		return []problem{{
			path.Child("stepWeight"), severity,
			fmt.Sprintf("the first step, stepWeight %d, is already more than maxWeight %d; set stepWeight to %[2]d or less, or maxWeight to %[1]d or more", step, highest),
		}}
	}
	return overshoot(path.Child("stepWeight"), step, highest)
}

// listBounded judges stepWeights, whose last step is the maximum.
func listBounded(path *field.Path, analysis *canaryv1beta1.CanaryAnalysis) []problem {
	var problems []problem
	for i, step := range analysis.StepWeights {
		if step.Int() > allTraffic {
			problems = append(problems, problem{path.Child("stepWeights").Index(i), Warn, fmt.Sprintf("step %v counts as 100, which is all traffic; write 100", step)})
		}
	}
	if highest := analysis.MaxWeight; highest != nil && len(analysis.StepWeights) > 0 && highest.Int() != maxWeight(analysis) {
		problems = append(problems, problem{
			path.Child("maxWeight"), Warn,
			fmt.Sprintf("maxWeight %v is not used: the canary is promoted after the last of stepWeights, %d; remove maxWeight", *highest, maxWeight(analysis)),
		})
	}
	return problems
}

// overshoot warns where the steps jump over the maximum, with the weights as they will be. Beyond 100 nothing can jump.
func overshoot(path *field.Path, step, highest int) []problem {
	var weights []int
	weight := 0
	for weight < highest {
		weight = min(weight+step, allTraffic)
		weights = append(weights, weight)
	}
	if weight == highest {
		return nil
	}
	below, above := step, step
	for highest%below != 0 {
		below--
	}
	for highest%above != 0 {
		above++
	}
	return []problem{{
		path, Warn,
		fmt.Sprintf("with stepWeight %d and maxWeight %d the canary gets %s percent before it is promoted; to end at %[2]d set stepWeight to %[4]d or %[5]d, or set maxWeight to %[6]d",
			step, highest, join(weights), below, above, weight),
	}}
}

// canaryStrategyClear is SL031: either weights or iterations.
func canaryStrategyClear(c change[canaryv1beta1.Canary]) []problem {
	analysis := c.new.Spec.Analysis
	if analysis == nil || c.new.Spec.SkipAnalysis {
		return nil
	}
	weights := analysis.StepWeight != nil || analysis.StepWeights != nil
	switch {
	case weights && analysis.Iterations.IntOr(0) > 0:
		return []problem{{
			field.NewPath("spec", "analysis", "iterations"), Deny,
			fmt.Sprintf("iterations %v and step weights are two ways to release; remove iterations to shift traffic step by step, or remove stepWeight and stepWeights to switch at the end", *analysis.Iterations),
		}}
	case !weights && analysis.Iterations.IntOr(0) <= 0 && c.new.Spec.Provider != canaryv1beta1.ProviderKubernetes:
		return []problem{{
			field.NewPath("spec", "analysis"), Deny,
			"there is neither stepWeight, stepWeights nor a positive number of iterations, so the release would never move; add stepWeight, such as 5, with maxWeight, such as 50",
		}}
	}
	return nil
}
