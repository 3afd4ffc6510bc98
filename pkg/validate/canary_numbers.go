package validate

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// canaryNumbersWhole is SL042. Steps of half a percent are steps here; wherever a number counts things, its fraction
// means nothing, and to Flagger any fraction means that it can read no Canary at all.
func canaryNumbersWhole(c change[canaryv1beta1.Canary]) []problem {
	var out []problem
	for _, n := range numbersOf(c.new) {
		if n.value == nil || n.value.IsWhole() {
			continue
		}
		out = append(out, problem{n.path, Warn, sprintf(
			"%v is not a whole number, and counts as %d here; Flagger would stop at it and see no Canary of the cluster any more; write %d", *n.value, n.value.Int(), max(1, n.value.Int()))})
	}
	return out
}

// counted is a number of a Canary that should be whole, and where it is.
type counted struct {
	path  *field.Path
	value *canaryv1beta1.Number
}

func numbersOf(canary *canaryv1beta1.Canary) []counted {
	spec := field.NewPath("spec")
	out := []counted{
		{spec.Child("progressDeadlineSeconds"), canary.Spec.ProgressDeadlineSeconds},
		{spec.Child("service", "port"), &canary.Spec.Service.Port},
	}
	a := canary.Spec.Analysis
	if a == nil {
		return out
	}
	path := spec.Child("analysis")
	out = append(out,
		counted{path.Child("iterations"), a.Iterations}, counted{path.Child("threshold"), a.Threshold},
		counted{path.Child("maxWeight"), a.MaxWeight}, counted{path.Child("stepWeight"), a.StepWeight},
		counted{path.Child("stepWeightPromotion"), a.StepWeightPromotion}, counted{path.Child("mirrorWeight"), a.MirrorWeight},
		counted{path.Child("primaryReadyThreshold"), a.PrimaryReadyThreshold}, counted{path.Child("canaryReadyThreshold"), a.CanaryReadyThreshold},
	)
	for i := range a.StepWeights {
		out = append(out, counted{path.Child("stepWeights").Index(i), &a.StepWeights[i]})
	}
	for i := range a.Webhooks {
		out = append(out, counted{path.Child("webhooks").Index(i).Child("retries"), a.Webhooks[i].Retries})
	}
	if a.SessionAffinity != nil {
		out = append(out, counted{path.Child("sessionAffinity", "maxAge"), a.SessionAffinity.MaxAge})
	}
	return out
}
