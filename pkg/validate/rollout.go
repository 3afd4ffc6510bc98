package validate

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// What a rollout made is its own while it runs (SL048): an edit by hand would be put back, and users would see both.

// overrideAnnotation on an object lets somebody edit or delete what a rollout needs; its value says why.
const overrideAnnotation = "sluice.dev/override"

// overridden tells whether somebody has said why a rule that protects a rollout should not hold.
func overridden(object metav1.Object) bool { return object.GetAnnotations()[overrideAnnotation] != "" }

// rolloutOf gives the Canary that made an object, if its rollout runs and nobody has overridden that.
func (w World) rolloutOf(object metav1.Object) *canaryv1beta1.Canary {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != kindCanary || overridden(object) {
		return nil
	}
	canary := find[canaryv1beta1.Canary](w, kindCanary, object.GetNamespace(), owner.Name)
	if canary == nil || !running(canary) {
		return nil
	}
	return canary
}

// routerLeftToRollout is SL048 of weights.
func routerLeftToRollout(c change[appmeshv1beta2.VirtualRouter]) []problem {
	if c.old == nil {
		return nil
	}
	canary := c.world.rolloutOf(c.new)
	if canary == nil {
		return nil
	}
	for i, route := range c.new.Spec.Routes {
		path, now := weightedTargets(field.NewPath("spec", "routes").Index(i), route)
		if i >= len(c.old.Spec.Routes) {
			break
		}
		_, before := weightedTargets(nil, c.old.Spec.Routes[i])
		if slices.EqualFunc(now, before, func(a, b appmeshv1beta2.WeightedTarget) bool { return a.Weight == b.Weight }) {
			continue
		}
		return one(path, Deny, "%s shifts these weights while its rollout runs, and would put them back; set spec.suspend of the Canary to true first, or annotate this router with %s: <why>", quoted(kindCanary, canary.Name), overrideAnnotation)
	}
	return nil
}

// leftToRollout is SL048 of everything else that a rollout made.
func leftToRollout[T any](c change[T]) []problem {
	if c.old == nil {
		return nil
	}
	canary := c.world.rolloutOf(any(c.new).(metav1.Object))
	if canary == nil {
		return nil
	}
	before, now := written(c.old), written(c.new)
	for i, f := range now {
		if equality.Semantic.DeepEqual(before[i].value, f.value) {
			continue
		}
		return one(field.NewPath("spec").Child(f.name), Deny, "%s made this from %s, and would put it back while its rollout runs; change that instead, or annotate this with %s: <why>",
			quoted(kindCanary, canary.Name), targetOf(canary), overrideAnnotation)
	}
	return nil
}

// part is a field of a spec.
type part struct {
	name  string
	value any
}

// written are the fields of an object that a rollout writes. Others are their author's, and an autoscaler's.
func written(object any) []part {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return []part{{"template", o.Spec.Template}, {"paused", o.Spec.Paused}}
	case *appsv1.DaemonSet:
		return []part{{"template", o.Spec.Template}}
	case *autoscalingv2.HorizontalPodAutoscaler:
		return []part{{"minReplicas", o.Spec.MinReplicas}, {"maxReplicas", o.Spec.MaxReplicas}, {"metrics", o.Spec.Metrics}, {"behavior", o.Spec.Behavior}}
	case *ScaledObject:
		return []part{{"minReplicaCount", o.Spec.MinReplicaCount}, {"maxReplicaCount", o.Spec.MaxReplicaCount}, {"triggers", o.Spec.Triggers}}
	case *corev1.Service:
		return []part{{"selector", o.Spec.Selector}, {"ports", o.Spec.Ports}}
	case *appmeshv1beta2.VirtualNode:
		return []part{{"podSelector", o.Spec.PodSelector}, {"listeners", o.Spec.Listeners}, {"serviceDiscovery", o.Spec.ServiceDiscovery}, {"backends", o.Spec.Backends}}
	case *appmeshv1beta2.VirtualService:
		return []part{{"provider", o.Spec.Provider}}
	}
	return nil
}
