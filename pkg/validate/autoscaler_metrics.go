package validate

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// hpaCountsProxies is SL011 for an autoscaler whose pods have proxies: its namespace asks for them, or a Canary of the mesh
// releases what it scales.
func hpaCountsProxies(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	target := scaledByHPA(c.new)
	asked := c.world.NamespaceLabels[appmeshv1beta2.AnnotationSidecarInjectorWebhook] == appmeshv1beta2.ValueEnabled
	released := slices.ContainsFunc(c.world.canariesOf(target), byMesh)
	if !asked && !released {
		return nil
	}
	var problems []problem
	for i, metric := range c.new.Spec.Metrics {
		if instead, counts := withoutProxy(metric); counts {
			problems = append(problems, problem{
				field.NewPath("spec", "metrics").Index(i), Warn,
				fmt.Sprintf("%s of type Resource is that of whole pods, so it counts the proxy, too; to scale by the application alone, write %s", metric.Resource.Name, instead),
			})
		}
	}
	return problems
}

// canaryCountsProxies is SL011 when the Canary comes second.
func canaryCountsProxies(c change[canaryv1beta1.Canary]) []problem {
	ref := c.new.Spec.AutoscalerRef
	if ref == nil || ref.Kind != kindHPA || !byMesh(c.new) {
		return nil
	}
	scaler := c.world.hpa(c.new.Namespace, ref.Name)
	if scaler == nil {
		return nil
	}
	var problems []problem
	for i, metric := range scaler.Spec.Metrics {
		if instead, counts := withoutProxy(metric); counts {
			problems = append(problems, problem{
				field.NewPath("spec", "autoscalerRef"), Warn,
				fmt.Sprintf("%s scales by %s of type Resource, which is that of whole pods, so it counts the proxy, too; to scale by the application alone, write in its spec.metrics[%d] %s",
					quoted(kindHPA, scaler.Name), metric.Resource.Name, i, instead),
			})
		}
	}
	return problems
}

// byMesh says that traffic is shifted by the mesh, so that the pods of the release have proxies.
func byMesh(canary *canaryv1beta1.Canary) bool {
	switch canary.Spec.Provider {
	case "", canaryv1beta1.ProviderAppMesh, canaryv1beta1.ProviderAppMeshV1Beta2:
		return true
	}
	return false
}

// withoutProxy spells the metric for one container, if it is of whole pods.
func withoutProxy(metric autoscalingv2.MetricSpec) (string, bool) {
	if metric.Type != autoscalingv2.ResourceMetricSourceType || metric.Resource == nil {
		return "", false
	}
	target := metric.Resource.Target
	goal := fmt.Sprintf("type: %s", target.Type)
	switch {
	case target.AverageUtilization != nil:
		goal += fmt.Sprintf(", averageUtilization: %d", *target.AverageUtilization)
	case target.AverageValue != nil:
		goal += fmt.Sprintf(", averageValue: %s", target.AverageValue)
	}
	return fmt.Sprintf("{type: ContainerResource, containerResource: {name: %s, container: NAME, target: {%s}}}, where NAME is the application's container", metric.Resource.Name, goal), true
}
