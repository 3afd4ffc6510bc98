package validate

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// canaryAutoscalerMissing is SL001 when the Canary comes second.
func canaryAutoscalerMissing(c change[canaryv1beta1.Canary]) []problem {
	if c.new.Spec.AutoscalerRef != nil {
		return nil
	}
	target := targetOf(c.new)
	scalers := c.world.hpasOf(target)
	if len(scalers) == 0 {
		return nil
	}
	return []problem{{
		field.NewPath("spec", "autoscalerRef"), Deny,
		fmt.Sprintf("%s scales %s, but there is no autoscalerRef, so the primary, which takes the traffic, would never scale; add autoscalerRef: %s",
			quoted(kindHPA, scalers[0].Name), target, reference(scalers[0])),
	}}
}

// canaryAutoscalerForeign is SL003 when the Canary comes second.
func canaryAutoscalerForeign(c change[canaryv1beta1.Canary]) []problem {
	ref, target := c.new.Spec.AutoscalerRef, targetOf(c.new)
	if ref == nil || ref.Kind != kindHPA {
		return nil
	}
	scaler := c.world.hpa(c.new.Namespace, ref.Name)
	if scaler == nil || scaledByHPA(scaler) == target {
		return nil
	}
	advice := "the name of its own autoscaler"
	if own := c.world.hpasOf(target); len(own) > 0 {
		advice = own[0].Name
	}
	return []problem{{
		field.NewPath("spec", "autoscalerRef", "name"), Deny,
		fmt.Sprintf("%s scales %s, but the target of this Canary is %s; set autoscalerRef.name to %s",
			quoted(kindHPA, ref.Name), full(scaledByHPA(scaler), target), full(target, scaledByHPA(scaler)), advice),
	}}
}

// canaryAutoscalersRival is SL007 when the Canary comes last.
func canaryAutoscalersRival(c change[canaryv1beta1.Canary]) []problem {
	target := targetOf(c.new)
	scalers := c.world.hpasOf(target)
	if len(scalers) < 2 {
		return nil
	}
	return []problem{{
		field.NewPath("spec", "targetRef"), Deny,
		fmt.Sprintf("HorizontalPodAutoscalers %s all scale %s and overwrite each other's replicas; keep one of them and delete the others",
			names(scalers), target),
	}}
}

// reference spells the autoscalerRef that a Canary needs for an autoscaler: that of the ScaledObject where KEDA owns
// the HorizontalPodAutoscaler.
func reference(hpa *autoscalingv2.HorizontalPodAutoscaler) string {
	if owner := metav1.GetControllerOf(hpa); owner != nil && owner.Kind == canaryv1beta1.AutoscalerKindScaledObject {
		return fmt.Sprintf("{apiVersion: %s, kind: %s, name: %s}", owner.APIVersion, owner.Kind, owner.Name)
	}
	return fmt.Sprintf("{apiVersion: autoscaling/v2, kind: %s, name: %s}", kindHPA, hpa.Name)
}

func names(scalers []*autoscalingv2.HorizontalPodAutoscaler) string {
	quotedNames := make([]string, len(scalers))
	for i, scaler := range scalers {
		quotedNames[i] = `"` + scaler.Name + `"`
	}
	return strings.Join(quotedNames, ", ")
}

// full names a workload, with its API group where the other one differs in nothing else.
func full(w, other workload) string {
	if w.kind == other.kind && w.name == other.name {
		return fmt.Sprintf("%s of API group %q", w, w.group)
	}
	return w.String()
}
