package canary

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Scaler is a kind of autoscaler that a Canary can have. The set is closed, as that of targets is. The version in
// autoscalerRef does not matter: what the cluster serves is read and written.
type Scaler interface {
	// GroupVersionKind is that of the autoscaler and of the primary's copy.
	GroupVersionKind() schema.GroupVersionKind
	// Optional says that the cluster may not have this kind.
	Optional() bool
	// Observe says what Next wants to know.
	Observe(object map[string]any) *Autoscaler
	// Primary builds the primary's copy. It follows the source at all times, not only at a promotion. minReplicas is a
	// floor, while a rollout runs; nil for none. Fields that it does not know survive.
	Primary(c *canaryv1beta1.Canary, object map[string]any, minReplicas *int32) map[string]any
	// OwnedFields are the fields of the copy's spec that are ours.
	OwnedFields() []string
	// Pause is the merge patch that keeps the target's autoscaler from waking an idle target, or lets it work again; nil
	// when there is nothing to write.
	Pause(object map[string]any, pause bool) map[string]any
}

// Scalers are all kinds of autoscalers.
func Scalers() []Scaler { return []Scaler{horizontalScaler{}, scaledObjectScaler{}} }

// ScalerOf is the kind of a Canary's autoscaler; nil without one.
func ScalerOf(c *canaryv1beta1.Canary) Scaler {
	target := TargetOf(c)
	if c.Spec.AutoscalerRef == nil || target == nil || !target.Autoscaled() {
		return nil
	}
	for _, s := range Scalers() {
		if s.GroupVersionKind().Kind == c.Spec.AutoscalerRef.Kind {
			return s
		}
	}
	return nil
}

// scalerCopy is what the copies of all kinds have in common.
func (s settings) scalerCopy(object map[string]any) (out, spec map[string]any) {
	from := dig(object, "metadata")
	spec = runtime.DeepCopyJSON(dig(object, "spec"))
	child(spec, "scaleTargetRef")["name"] = s.primaryName()
	name, _ := from["name"].(string)
	return map[string]any{
		"apiVersion": object["apiVersion"],
		"kind":       object["kind"],
		"metadata": map[string]any{
			"name":        name + "-primary",
			"namespace":   s.Namespace,
			"labels":      copied(from["labels"]),
			"annotations": copied(from["annotations"]),
		},
		"spec": spec,
	}, spec
}

// replicaBounds are the names of the fields that bound the replicas, and their values where they are absent.
type replicaBounds struct {
	lower, upper   string
	lowest, absent int64
}

// set applies the overrides of the spec, then the floor. The floor lifts the upper bound too: the primary had that many
// replicas when the floor was taken.
func (b replicaBounds) set(spec map[string]any, ref *canaryv1beta1.AutoscalerReference, floor *int32) {
	if own := ref.PrimaryScalerReplicas; own != nil {
		if own.MinReplicas != nil {
			spec[b.lower] = *own.MinReplicas
		}
		if own.MaxReplicas != nil {
			spec[b.upper] = *own.MaxReplicas
		}
	}
	if floor == nil {
		return
	}
	lower, ok := number64(spec[b.lower])
	if !ok {
		lower = b.lowest
	}
	spec[b.lower] = max(lower, int64(*floor))
	upper, ok := number64(spec[b.upper])
	if !ok {
		upper = b.absent
	}
	if raised := max(upper, int64(*floor)); ok || raised > upper {
		spec[b.upper] = raised
	}
}

func (b replicaBounds) observe(kind string, object map[string]any) *Autoscaler {
	name, _ := dig(object, "metadata")["name"].(string)
	a := &Autoscaler{Kind: kind, Name: name}
	if n, ok := number64(dig(object, "spec")[b.lower]); ok {
		replicas := int32(n)
		a.MinReplicas = &replicas
	}
	n, _ := number64(dig(object, "spec")[b.upper])
	a.MaxReplicas = int32(n)
	return a
}

// horizontalScaler is a HorizontalPodAutoscaler. It leaves a target at zero alone, unless it scaled it to zero itself.
type horizontalScaler struct{}

var horizontalBounds = replicaBounds{lower: "minReplicas", upper: "maxReplicas", lowest: 1}

// conditionScaledToZero of a HorizontalPodAutoscaler says that it scaled its target to zero and will wake it.
const conditionScaledToZero = "ScaledToZero"

func (horizontalScaler) GroupVersionKind() schema.GroupVersionKind {
	return autoscalingv2.SchemeGroupVersion.WithKind(canaryv1beta1.AutoscalerKindHPA)
}

func (horizontalScaler) Optional() bool { return false }

func (horizontalScaler) Observe(object map[string]any) *Autoscaler {
	a := horizontalBounds.observe(canaryv1beta1.AutoscalerKindHPA, object)
	for _, c := range items(dig(object, "status")["conditions"]) {
		if condition, ok := c.(map[string]any); ok && condition["type"] == conditionScaledToZero {
			a.WakesTarget = condition["status"] == "True"
		}
	}
	return a
}

func (horizontalScaler) Primary(c *canaryv1beta1.Canary, object map[string]any, minReplicas *int32) map[string]any {
	out, spec := settings{c}.scalerCopy(object)
	horizontalBounds.set(spec, c.Spec.AutoscalerRef, minReplicas)
	return out
}

func (horizontalScaler) OwnedFields() []string {
	return []string{"scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior"}
}

// Pause writes nothing: replicas: 0 of the target is what pauses it.
func (horizontalScaler) Pause(map[string]any, bool) map[string]any { return nil }

// scaledObjectScaler is KEDA's ScaledObject.
type scaledObjectScaler struct{}

var scaledObjectBounds = replicaBounds{lower: "minReplicaCount", upper: "maxReplicaCount", lowest: 0, absent: 100}

// annotationPausedReplicas on a ScaledObject makes KEDA keep its target at that many replicas.
const annotationPausedReplicas = "autoscaling.keda.sh/paused-replicas"

func (scaledObjectScaler) GroupVersionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: canaryv1beta1.AutoscalerKindScaledObject}
}

func (scaledObjectScaler) Optional() bool { return true }

func (scaledObjectScaler) Observe(object map[string]any) *Autoscaler {
	return scaledObjectBounds.observe(canaryv1beta1.AutoscalerKindScaledObject, object)
}

func (scaledObjectScaler) Primary(c *canaryv1beta1.Canary, object map[string]any, minReplicas *int32) map[string]any {
	s := settings{c}
	out, spec := s.scalerCopy(object)
	delete(child(child(out, "metadata"), "annotations"), annotationPausedReplicas)
	scaledObjectBounds.set(spec, c.Spec.AutoscalerRef, minReplicas)
	if minReplicas != nil {
		delete(spec, "idleReplicaCount") // below the floor
	}
	// KEDA makes a HorizontalPodAutoscaler of that name for each ScaledObject.
	if hpa := dig(spec, "advanced", "horizontalPodAutoscalerConfig"); hpa["name"] != nil {
		hpa["name"] = fmt.Sprintf("%v-primary", hpa["name"])
	}
	for _, t := range items(spec["triggers"]) {
		if trigger, ok := t.(map[string]any); ok {
			s.redirectTrigger(trigger)
		}
	}
	return out
}

// redirectTrigger makes a trigger that asks about the target ask about the primary: by the query of the spec for the
// trigger of this name, else by putting the primary's name for the target's.
func (s settings) redirectTrigger(trigger map[string]any) {
	metadata := dig(trigger, "metadata")
	query, ok := metadata["query"].(string)
	name, _ := trigger["name"].(string)
	if own, given := s.Spec.AutoscalerRef.PrimaryScalerQueries[name]; given {
		child(trigger, "metadata")["query"] = own
		return
	}
	if ok {
		target, primary := s.Spec.TargetRef.Name, s.primaryName()
		query = strings.ReplaceAll(query, target, primary)
		metadata["query"] = strings.ReplaceAll(query, primary+"-primary", primary) // it named the primary already
	}
}

func (scaledObjectScaler) OwnedFields() []string {
	return []string{
		"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "idleReplicaCount", "triggers",
		"pollingInterval", "cooldownPeriod", "initialCooldownPeriod", "fallback", "advanced",
	}
}

func (scaledObjectScaler) Pause(object map[string]any, pause bool) map[string]any {
	have := dig(object, "metadata", "annotations")[annotationPausedReplicas]
	var want any
	if pause {
		want = "0"
	}
	if have == want {
		return nil
	}
	return map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationPausedReplicas: want}}}
}
