package validate

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// ScaledObject is what the rules look at in KEDA's kind of that name (keda.sh/v1alpha1). Other fields are not decoded.
type ScaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec struct {
		// ScaleTargetRef is a Deployment of apps/v1 unless it says otherwise.
		ScaleTargetRef canaryv1beta1.LocalObjectReference `json:"scaleTargetRef"`
		// MinReplicaCount is 0 if absent, MaxReplicaCount 100.
		MinReplicaCount *int32 `json:"minReplicaCount"`
		MaxReplicaCount *int32 `json:"maxReplicaCount"`
		Triggers        []struct {
			Type       string `json:"type"`
			Name       string `json:"name"`
			MetricType string `json:"metricType"`
		} `json:"triggers"`
	} `json:"spec"`
}

// VerticalPodAutoscaler is what the rules look at in the kind of that name (autoscaling.k8s.io/v1).
type VerticalPodAutoscaler struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec struct {
		TargetRef canaryv1beta1.LocalObjectReference `json:"targetRef"`
		// UpdatePolicy of mode Off only recommends; absent means Auto.
		UpdatePolicy *struct {
			UpdateMode *string `json:"updateMode"`
		} `json:"updatePolicy"`
	} `json:"spec"`
}

func scaledByKEDA(o *ScaledObject) workload {
	ref := o.Spec.ScaleTargetRef
	if ref.Kind == "" {
		return workload{o.Namespace, "apps", kindDeployment, ref.Name}
	}
	return workload{o.Namespace, group(ref.APIVersion), ref.Kind, ref.Name}
}

func scaledByVPA(o *VerticalPodAutoscaler) workload {
	ref := o.Spec.TargetRef
	return workload{o.Namespace, group(ref.APIVersion), ref.Kind, ref.Name}
}
