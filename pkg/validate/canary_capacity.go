package validate

import (
	"maps"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
)

// bounds are the replicas that an autoscaler allows.
type bounds struct {
	kind, name string
	min, max   int32
}

// scalerOf gives the bounds of the autoscaler of a Canary; false when there is none, or none is known.
func (w World) scalerOf(canary *canaryv1beta1.Canary) (bounds, bool) {
	ref := canary.Spec.AutoscalerRef
	if ref == nil {
		return bounds{}, false
	}
	switch ref.Kind {
	case kindHPA:
		if hpa := w.hpa(canary.Namespace, ref.Name); hpa != nil {
			return hpaBounds(hpa), true
		}
	case kindScaledObject:
		if o := find[ScaledObject](w, kindScaledObject, canary.Namespace, ref.Name); o != nil {
			return kedaBounds(o), true
		}
	}
	return bounds{}, false
}

func hpaBounds(hpa *autoscalingv2.HorizontalPodAutoscaler) bounds {
	b := bounds{kindHPA, hpa.Name, 1, hpa.Spec.MaxReplicas}
	if n := hpa.Spec.MinReplicas; n != nil {
		b.min = *n
	}
	return b
}

func kedaBounds(o *ScaledObject) bounds {
	b := bounds{kindScaledObject, o.Name, 0, 100}
	if n := o.Spec.MinReplicaCount; n != nil {
		b.min = *n
	}
	if n := o.Spec.MaxReplicaCount; n != nil {
		b.max = *n
	}
	return b
}

var autoscalerPath = field.NewPath("spec", "autoscalerRef")

// canaryScalerThere is SL002.
func canaryScalerThere(c change[canaryv1beta1.Canary]) []problem {
	ref := c.new.Spec.AutoscalerRef
	if ref == nil || !c.world.knows(ref.Kind, c.new.Namespace) || c.world.object(ref.Kind, c.new.Namespace, ref.Name) != nil {
		return nil
	}
	return one(autoscalerPath.Child("name"), c.world.atStart(), "there is no %s in namespace %s, so the primary would not scale; apply it, or correct the reference", quoted(ref.Kind, ref.Name), c.new.Namespace)
}

// canaryReplicasRedundant is SL004.
func canaryReplicasRedundant(c change[canaryv1beta1.Canary]) []problem {
	b, known := c.world.scalerOf(c.new)
	if !known {
		return nil
	}
	if own := c.new.Spec.AutoscalerRef.PrimaryScalerReplicas; own != nil && own.MinReplicas != nil {
		b.min = int32(*own.MinReplicas)
	}
	if b.min != 1 {
		return nil // 0 is SL005's
	}
	return one(autoscalerPath, Warn, "%s may leave the primary one pod, and a node that goes takes the service with it; set its minimum to 2 or more", quoted(b.kind, b.name))
}

// canaryNeverZero is SL005.
func canaryNeverZero(c change[canaryv1beta1.Canary]) []problem {
	b, known := c.world.scalerOf(c.new)
	if !known || b.min > 0 {
		return nil
	}
	if own := c.new.Spec.AutoscalerRef.PrimaryScalerReplicas; own != nil && own.MinReplicas != nil {
		return nil
	}
	return one(autoscalerPath, Warn, "%s may scale to zero, and a canary that waits has zero replicas too, so nobody could tell the one from the other; set its minimum to 1 or more, or primaryScalerReplicas.minReplicas here", quoted(b.kind, b.name))
}

// canaryBoundsOrdered is SL006.
func canaryBoundsOrdered(c change[canaryv1beta1.Canary]) []problem {
	ref := c.new.Spec.AutoscalerRef
	if ref == nil || ref.PrimaryScalerReplicas == nil {
		return nil
	}
	b, known := c.world.scalerOf(c.new)
	low, high := int64(b.min), int64(b.max)
	if n := ref.PrimaryScalerReplicas.MinReplicas; n != nil {
		low = *n
	}
	if n := ref.PrimaryScalerReplicas.MaxReplicas; n != nil {
		high = *n
	} else if !known {
		return nil
	}
	if low <= high {
		return nil
	}
	severity := Warn // the autoscaler may be about to change too
	if ref.PrimaryScalerReplicas.MinReplicas != nil && ref.PrimaryScalerReplicas.MaxReplicas != nil {
		severity = Deny
	}
	return one(autoscalerPath.Child("primaryScalerReplicas"), severity,
		"the primary's autoscaler would have a minimum of %d and a maximum of %d, which no API server accepts; write a maximum of at least %[1]d", low, high)
}

// canaryScalersAgree is SL008.
func canaryScalersAgree(c change[canaryv1beta1.Canary]) []problem {
	target := targetOf(c.new)
	hpas := c.world.hpasOf(target)
	for _, vpa := range staying[VerticalPodAutoscaler](c.world, kindVPA, scales, target.key()) {
		off := vpa.Spec.UpdatePolicy != nil && vpa.Spec.UpdatePolicy.UpdateMode != nil && *vpa.Spec.UpdatePolicy.UpdateMode == "Off"
		if off || !slices.ContainsFunc(hpas, byResource) {
			continue
		}
		return one(field.NewPath("spec", "targetRef"), Warn,
			"%s changes the requests of %s by which %s decides how many pods there are, and the two chase each other; set its updateMode to Off, or scale by another metric",
			quoted(kindVPA, vpa.Name), target, quoted(kindHPA, hpas[0].Name))
	}
	return nil
}

// byResource tells whether an autoscaler looks at CPU or memory.
func byResource(hpa *autoscalingv2.HorizontalPodAutoscaler) bool {
	return slices.ContainsFunc(hpa.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool { return m.Resource != nil || m.ContainerResource != nil })
}

// canaryShareFits is SL061: the canary gets pods for its share of the traffic, but no more than its own autoscaler allows.
func canaryShareFits(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	b, known := c.world.scalerOf(c.new)
	if a == nil || !known || !stepped(c.new) || c.new.Spec.AutoscalerRef.PrimaryScalerReplicas == nil {
		return nil
	}
	own := c.new.Spec.AutoscalerRef.PrimaryScalerReplicas.MaxReplicas
	if own == nil {
		return nil
	}
	share := min(maxWeight(a), allTraffic)
	needed := (*own*int64(share) + allTraffic - 1) / allTraffic
	if needed <= int64(b.max) {
		return nil
	}
	return one(autoscalerPath.Child("primaryScalerReplicas", "maxReplicas"), Warn, "at the primary's maximum of %d pods the last step, %d %%, is the work of %d, and %s allows the canary %d; end with a smaller step, or raise its maximum",
		*own, share, needed, quoted(b.kind, b.name), b.max)
}

// wideRange is how many times its minimum an autoscaler must allow for a sudden return of all traffic to hurt.
const wideRange = 5

// canaryReturnGentle is SL062. The primary keeps the pods that it had at the start of a rollout; what came since then
// the canary carries.
func canaryReturnGentle(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	b, known := c.world.scalerOf(c.new)
	if a == nil || !known || !stepped(c.new) || a.StepWeightPromotion.IntOr(0) > 0 || maxWeight(a) < allTraffic/2 || b.max < wideRange*max(1, b.min) {
		return nil
	}
	return one(analysisPath.Child("stepWeightPromotion"), Warn,
		"the promotion gives the primary all traffic at once, %d %% more than it has at the end, and %s may have let it shrink from %d pods to %d by then; set stepWeightPromotion, such as %d",
		maxWeight(a), quoted(b.kind, b.name), b.max, b.min, max(10, maxWeight(a)/5))
}

// canaryShrinksSlowly is SL063.
func canaryShrinksSlowly(c change[canaryv1beta1.Canary]) []problem {
	a, ref := judged(c.new), c.new.Spec.AutoscalerRef
	if a == nil || ref == nil || ref.Kind != kindHPA {
		return nil
	}
	hpa := c.world.hpa(c.new.Namespace, ref.Name)
	if hpa == nil || hpa.Spec.Behavior == nil || hpa.Spec.Behavior.ScaleDown == nil || hpa.Spec.Behavior.ScaleDown.StabilizationWindowSeconds == nil {
		return nil
	}
	window := time.Duration(*hpa.Spec.Behavior.ScaleDown.StabilizationWindowSeconds) * time.Second
	if window >= engine.Interval(c.new) {
		return nil
	}
	return one(autoscalerPath, Warn, "%s takes pods away after %s, before the next check, which comes after %s, so a canary is judged while it shrinks; set its behavior.scaleDown.stabilizationWindowSeconds to %d or more",
		quoted(kindHPA, hpa.Name), window, seconds(engine.Interval(c.new)), int(engine.Interval(c.new)/time.Second))
}

// canaryScalerWorks is SL069: looked at when a rollout starts.
func canaryScalerWorks(c change[canaryv1beta1.Canary]) []problem {
	ref := c.new.Spec.AutoscalerRef
	if ref == nil || ref.Kind != kindHPA {
		return nil
	}
	hpa := c.world.hpa(c.new.Namespace, ref.Name+"-primary")
	if hpa == nil {
		return nil
	}
	for _, condition := range hpa.Status.Conditions {
		if condition.Type == autoscalingv2.ScalingActive && condition.Status == corev1.ConditionFalse && condition.Reason != "ScalingDisabled" {
			return one(autoscalerPath, c.world.atStart(), "%s cannot scale the primary: %s (%s); mend that first, for a release moves traffic to and fro", quoted(kindHPA, hpa.Name), condition.Message, condition.Reason)
		}
	}
	if hpa.Status.CurrentReplicas >= hpa.Spec.MaxReplicas && hpa.Spec.MaxReplicas > 1 {
		return one(autoscalerPath, Warn, "%s is at its maximum of %d pods, so the primary has nothing left for what a rollback would bring back; raise the maximum before the release", quoted(kindHPA, hpa.Name), hpa.Spec.MaxReplicas)
	}
	return nil
}

// canaryQuotaSuffices is SL060.
func canaryQuotaSuffices(c change[canaryv1beta1.Canary]) []problem {
	ref := c.new.Spec.TargetRef
	target, _, known := c.world.target(c.new.Namespace, ref.Kind, ref.Name)
	b, scaled := c.world.scalerOf(c.new)
	if !known || !scaled {
		return nil
	}
	needed := requestsOf(target)
	replicas := int64(b.max) + int64(max(1, b.min))
	for _, quota := range staying[corev1.ResourceQuota](c.world, kindQuota, inside, c.new.Namespace) {
		for _, limit := range slices.Sorted(maps.Keys(quota.Spec.Hard)) {
			hard := quota.Spec.Hard[limit]
			var all resource.Quantity
			switch limit {
			case corev1.ResourcePods, "count/pods":
				all = *resource.NewQuantity(replicas, resource.DecimalSI)
			case corev1.ResourceRequestsCPU, corev1.ResourceCPU:
				all = needed[corev1.ResourceCPU].DeepCopy()
				all.Mul(replicas)
			case corev1.ResourceRequestsMemory, corev1.ResourceMemory:
				all = needed[corev1.ResourceMemory].DeepCopy()
				all.Mul(replicas)
			default:
				continue
			}
			if all.Cmp(hard) > 0 {
				return one(field.NewPath("spec", "targetRef"), Warn, "%d pods of the primary and %d of the canary need %s of %s, and %s allows %s; raise it, or lower the maximum of %s",
					b.max, max(1, b.min), all.String(), limit, quoted(kindQuota, quota.Name), hard.String(), quoted(b.kind, b.name))
			}
		}
	}
	return nil
}
