package canary

import (
	"k8s.io/apimachinery/pkg/runtime"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// PrimaryHPA builds the primary's copy of a HorizontalPodAutoscaler. It follows the source at all times, not only at a
// promotion. minReplicas is a floor, while a rollout runs; nil for none. Fields that it does not know survive.
func PrimaryHPA(c *canaryv1beta1.Canary, hpa map[string]any, minReplicas *int32) map[string]any {
	s := settings{c}
	from, _ := hpa["metadata"].(map[string]any)
	spec := map[string]any{}
	if v, ok := hpa["spec"].(map[string]any); ok {
		spec = runtime.DeepCopyJSON(v)
	}
	child(spec, "scaleTargetRef")["name"] = s.primaryName()
	if ref := s.Spec.AutoscalerRef; ref != nil && ref.PrimaryScalerReplicas != nil {
		if n := ref.PrimaryScalerReplicas.MinReplicas; n != nil {
			spec["minReplicas"] = *n
		}
		if n := ref.PrimaryScalerReplicas.MaxReplicas; n != nil {
			spec["maxReplicas"] = *n
		}
	}
	if minReplicas != nil {
		raise(spec, int64(*minReplicas))
	}
	name, _ := from["name"].(string)
	return map[string]any{
		"apiVersion": hpa["apiVersion"],
		"kind":       hpa["kind"],
		"metadata": map[string]any{
			"name":        name + "-primary",
			"namespace":   s.Namespace,
			"labels":      copied(from["labels"]),
			"annotations": copied(from["annotations"]),
		},
		"spec": spec,
	}
}

// raise lifts the bounds to a floor. The upper one too: the primary had that many replicas when the floor was taken.
func raise(spec map[string]any, floor int64) {
	lower, ok := number64(spec["minReplicas"])
	if !ok {
		lower = 1
	}
	spec["minReplicas"] = max(lower, floor)
	if upper, ok := number64(spec["maxReplicas"]); ok {
		spec["maxReplicas"] = max(upper, floor)
	}
}
