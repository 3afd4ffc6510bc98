package validate

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Slim takes out of an object what no rule reads when it is another object's surroundings: for who keeps all objects of
// a cluster in memory. The object that is judged is never slimmed.
func Slim(object metav1.Object) {
	object.SetManagedFields(nil)
	if annotations := object.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
		annotations = maps.Clone(annotations)
		delete(annotations, corev1.LastAppliedConfigAnnotation)
		object.SetAnnotations(annotations)
	}
	switch o := object.(type) {
	case *canaryv1beta1.Canary:
		o.Status.TrackedConfigs, o.Status.Conditions = nil, nil
	case *appsv1.Deployment:
		o.Status = appsv1.DeploymentStatus{}
		slimPods(&o.Spec.Template)
	case *appsv1.DaemonSet:
		o.Status = appsv1.DaemonSetStatus{}
		slimPods(&o.Spec.Template)
	case *autoscalingv2.HorizontalPodAutoscaler:
		o.Status.CurrentMetrics = nil
	case *corev1.Service:
		o.Spec, o.Status = corev1.ServiceSpec{}, corev1.ServiceStatus{}
	case *policyv1.PodDisruptionBudget:
		o.Status = policyv1.PodDisruptionBudgetStatus{}
	case *corev1.ResourceQuota:
		o.Status = corev1.ResourceQuotaStatus{}
	}
}

// slimPods leaves of a template its metadata, and of its containers names, ports, requests, probes and what they read.
func slimPods(template *corev1.PodTemplateSpec) {
	spec := corev1.PodSpec{Containers: slimContainers(template.Spec.Containers), InitContainers: slimContainers(template.Spec.InitContainers)}
	for _, volume := range template.Spec.Volumes {
		source := volume.VolumeSource
		if source.PersistentVolumeClaim != nil || source.ConfigMap != nil || source.Secret != nil || source.Projected != nil {
			spec.Volumes = append(spec.Volumes, volume)
		} else {
			spec.Volumes = append(spec.Volumes, corev1.Volume{}) // paths count volumes
		}
	}
	template.Spec = spec
}

func slimContainers(containers []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for _, c := range containers {
		slim := corev1.Container{
			Name: c.Name, Ports: c.Ports, Resources: c.Resources, EnvFrom: c.EnvFrom,
			ReadinessProbe: slimProbe(c.ReadinessProbe), StartupProbe: slimProbe(c.StartupProbe),
		}
		for _, env := range c.Env {
			if env.ValueFrom != nil && (env.ValueFrom.ConfigMapKeyRef != nil || env.ValueFrom.SecretKeyRef != nil) {
				slim.Env = append(slim.Env, corev1.EnvVar{ValueFrom: env.ValueFrom})
			}
		}
		out = append(out, slim)
	}
	return out
}

// slimProbe leaves of a probe its times.
func slimProbe(probe *corev1.Probe) *corev1.Probe {
	if probe == nil {
		return nil
	}
	slim := *probe
	slim.ProbeHandler = corev1.ProbeHandler{}
	return &slim
}
