package validate

import (
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// proxyContainers are those that the injector adds.
var proxyContainers = []string{"envoy", "proxyinit"}

// released gives the pods that an autoscaler scales, if a Canary releases them.
func released(c change[autoscalingv2.HorizontalPodAutoscaler]) (pods, bool) {
	target := scaledByHPA(c.new)
	if len(c.world.canariesOf(target)) == 0 {
		return pods{}, false
	}
	found, _, known := c.world.target(target.namespace, target.kind, target.name)
	return found, known
}

// hpaRequestsSet is SL010. It warns: a LimitRange may give what the pod template does not.
func hpaRequestsSet(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	target, known := released(c)
	if !known {
		return nil
	}
	var out []problem
	for i, metric := range c.new.Spec.Metrics {
		name, only := corev1.ResourceName(""), ""
		switch {
		case metric.Resource != nil && metric.Resource.Target.Type == autoscalingv2.UtilizationMetricType:
			name = metric.Resource.Name
		case metric.ContainerResource != nil && metric.ContainerResource.Target.Type == autoscalingv2.UtilizationMetricType:
			name, only = metric.ContainerResource.Name, metric.ContainerResource.Container
		default:
			continue
		}
		for _, container := range target.template.Spec.Containers {
			_, requested := container.Resources.Requests[name]
			_, limited := container.Resources.Limits[name]
			if requested || limited || only != "" && only != container.Name || slices.Contains(proxyContainers, container.Name) {
				continue
			}
			out = append(out, problem{field.NewPath("spec", "metrics").Index(i), Warn, sprintf(
				"utilization is a share of what is requested, and container %s requests no %s, so nothing would scale; set resources.requests.%[2]s in the pod template", container.Name, name)})
		}
	}
	return out
}

// hpaContainersThere is SL012. It warns: the pod template may be applied in a moment.
func hpaContainersThere(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	target, known := released(c)
	if !known {
		return nil
	}
	var out []problem
	for i, metric := range c.new.Spec.Metrics {
		if metric.ContainerResource == nil {
			continue
		}
		name := metric.ContainerResource.Container
		if target.container(name) != nil || slices.Contains(proxyContainers, name) {
			continue
		}
		var names []string
		for _, container := range target.template.Spec.Containers {
			names = append(names, container.Name)
		}
		out = append(out, problem{field.NewPath("spec", "metrics").Index(i).Child("containerResource", "container"), Warn, sprintf(
			"no container of %s is called %q, so nothing would scale; %s", scaledByHPA(c.new), name, choose("write", names, "correct the name"))})
	}
	return out
}

// hpaRedundant is SL004, hpaNeverZero SL005: the same as for the Canary, when the autoscaler comes last.
func hpaRedundant(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	return forReferrers(c.world, kindHPA, c.new, hpaBounds(c.new), func(b bounds) bool { return b.min == 1 },
		field.NewPath("spec", "minReplicas"), "%s releases what this scales, and may be left with one pod, which a node takes with it when it goes; set minReplicas to 2 or more")
}

func hpaNeverZero(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	return forReferrers(c.world, kindHPA, c.new, hpaBounds(c.new), func(b bounds) bool { return b.min == 0 },
		field.NewPath("spec", "minReplicas"), "%s releases what this scales, and a canary that waits has zero replicas too, so nobody could tell the one from the other; set minReplicas to 1 or more")
}

// hpaOfPrimary is SL009.
func hpaOfPrimary(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	scaled := scaledByHPA(c.new)
	target, isPrimary := primaryOf(scaled)
	if !isPrimary {
		return nil
	}
	for _, canary := range c.world.canariesOf(target) {
		ref := canary.Spec.AutoscalerRef
		if ownedBy(c.new, canary.Name) || ref != nil && c.new.Name == ref.Name+"-primary" {
			continue
		}
		if ref == nil {
			return one(scaleTargetPath, Warn, "%s makes %s and looks after it; scale its target %s, and set autoscalerRef there, which makes the autoscaler of the primary", quoted(kindCanary, canary.Name), scaled, target)
		}
		return one(scaleTargetPath, Deny, "%s makes the autoscaler of %s from %s, and two autoscalers overwrite each other's replicas; change %[3]s, or its bounds for the primary in primaryScalerReplicas",
			quoted(kindCanary, canary.Name), scaled, quoted(ref.Kind, ref.Name))
	}
	return nil
}

// hpaKeptDuringRollout is SL016: an edit reaches the primary at once, but for the pods that a rollback needs.
func hpaKeptDuringRollout(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	if c.old == nil || c.old.Spec.MaxReplicas <= c.new.Spec.MaxReplicas {
		return nil
	}
	var out []problem
	for _, canary := range c.world.canariesScaledBy(kindHPA, c.new.Namespace, c.new.Name) {
		if running(canary) && canary.Status.Rollout.MinPrimaryReplicas > c.new.Spec.MaxReplicas {
			out = append(out, problem{field.NewPath("spec", "maxReplicas"), Warn, sprintf(
				"the primary of %s keeps %d pods until its rollout has ended, for a rollback would need them; the maximum of %d holds from then on",
				quoted(kindCanary, canary.Name), canary.Status.Rollout.MinPrimaryReplicas, c.new.Spec.MaxReplicas)})
		}
	}
	return out
}

// hpaVersionServed is SL017. Nothing of that version reaches an API server of today.
func hpaVersionServed(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	switch c.new.APIVersion {
	case "autoscaling/v2beta1", "autoscaling/v2beta2":
		return one(field.NewPath("apiVersion"), Deny, "Kubernetes no longer has %s; write autoscaling/v2, whose metrics are {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}", c.new.APIVersion)
	}
	return nil
}

// running tells whether a rollout of ours is under way.
func running(canary *canaryv1beta1.Canary) bool {
	switch canary.Status.Phase {
	case canaryv1beta1.CanaryPhaseProgressing, canaryv1beta1.CanaryPhaseWaitingPromotion, canaryv1beta1.CanaryPhasePromoting, canaryv1beta1.CanaryPhaseFinalising:
		return canary.Status.Rollout != nil // Flagger's own Canaries have none
	}
	return false
}
