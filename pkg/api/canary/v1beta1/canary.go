package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Mesh providers that are served. Anything else is a matter for the rulebook.
const (
	// ProviderAppMesh is Flagger's name for App Mesh v1beta1; it is an alias of ProviderAppMeshV1Beta2.
	ProviderAppMesh = "appmesh"
	// ProviderAppMeshV1Beta2 shifts weights in VirtualRouters.
	ProviderAppMeshV1Beta2 = "appmesh:v1beta2"
	// ProviderKubernetes has no traffic to shift: iterations of checks, then promotion.
	ProviderKubernetes = "kubernetes"
)

// Kinds that targetRef and autoscalerRef name.
const (
	TargetKindDeployment = "Deployment"
	TargetKindDaemonSet  = "DaemonSet"
	TargetKindService    = "Service"

	AutoscalerKindHPA          = "HorizontalPodAutoscaler"
	AutoscalerKindScaledObject = "ScaledObject"
)

// LocalObjectReference points at an object in the namespace of the Canary.
type LocalObjectReference struct {
	// APIVersion of the object, for example apps/v1.
	APIVersion string `json:"apiVersion"`
	// Kind of the object.
	Kind string `json:"kind"`
	// Name of the object.
	Name string `json:"name"`
}

// UpstreamReference points at an Upstream of a gateway that we do not serve; accepted and not used.
type UpstreamReference struct {
	// APIVersion of the object.
	APIVersion string `json:"apiVersion"`
	// Kind of the object.
	// +kubebuilder:validation:Enum=Upstream
	Kind string `json:"kind"`
	// Name of the object.
	Name string `json:"name"`
	// Namespace of the object.
	Namespace string `json:"namespace,omitempty"`
}

// IngressReference points at an Ingress; accepted and not used.
type IngressReference struct {
	// APIVersion of the object.
	APIVersion string `json:"apiVersion"`
	// Kind of the object.
	// +kubebuilder:validation:Enum=Ingress
	Kind string `json:"kind"`
	// Name of the object.
	Name string `json:"name"`
}

// RouteReference points at a route of a gateway that we do not serve; accepted and not used.
type RouteReference struct {
	// APIVersion of the object.
	APIVersion string `json:"apiVersion"`
	// Kind of the object.
	// +kubebuilder:validation:Enum=ApisixRoute
	Kind string `json:"kind"`
	// Name of the object.
	Name string `json:"name"`
}

// CrossNamespaceObjectReference points at a MetricTemplate or an AlertProvider.
type CrossNamespaceObjectReference struct {
	// Name of the object.
	Name string `json:"name"`
	// Namespace of the object; that of the Canary if absent.
	Namespace string `json:"namespace,omitempty"`
}

// AutoscalerReference points at the autoscaler of the target, which is copied for the primary.
type AutoscalerReference struct {
	// APIVersion of the autoscaler, for example autoscaling/v2.
	APIVersion string `json:"apiVersion"`
	// Kind of the autoscaler: HorizontalPodAutoscaler or ScaledObject.
	Kind string `json:"kind"`
	// Name of the autoscaler.
	Name string `json:"name"`
	// PrimaryScalerQueries maps the name of a ScaledObject's trigger to the query of the primary's copy.
	PrimaryScalerQueries map[string]string `json:"primaryScalerQueries,omitempty"`
	// PrimaryScalerReplicas overrides the replicas of the primary's copy.
	PrimaryScalerReplicas *ScalerReplicas `json:"primaryScalerReplicas,omitempty"`
}

// ScalerReplicas bounds the replicas of the primary.
type ScalerReplicas struct {
	// MinReplicas of the primary's autoscaler; that of the source if absent.
	// +kubebuilder:validation:Minimum=1
	MinReplicas *int64 `json:"minReplicas,omitempty"`
	// MaxReplicas of the primary's autoscaler; that of the source if absent.
	// +kubebuilder:validation:Minimum=1
	MaxReplicas *int64 `json:"maxReplicas,omitempty"`
}

// CanarySpec is the wanted way to release a workload.
type CanarySpec struct {
	// Provider of the mesh: appmesh:v1beta2, appmesh or kubernetes; that of the controller's flag if absent.
	Provider string `json:"provider,omitempty"`
	// MetricsServer is the URL of the Prometheus that answers built-in and inline queries instead of the Envoys themselves.
	MetricsServer string `json:"metricsServer,omitempty"`
	// TargetRef is the workload to release.
	TargetRef LocalObjectReference `json:"targetRef"`
	// AutoscalerRef is the autoscaler of the workload.
	AutoscalerRef *AutoscalerReference `json:"autoscalerRef,omitempty"`
	// IngressRef is accepted and not used.
	IngressRef *IngressReference `json:"ingressRef,omitempty"`
	// RouteRef is accepted and not used.
	RouteRef *RouteReference `json:"routeRef,omitempty"`
	// UpstreamRef is accepted and not used.
	UpstreamRef *UpstreamReference `json:"upstreamRef,omitempty"`
	// Service is how the workload is reached.
	Service CanaryService `json:"service,omitzero"`
	// Analysis is how a new version is judged.
	// +kubebuilder:validation:Required
	Analysis *CanaryAnalysis `json:"analysis,omitempty"`
	// ProgressDeadlineSeconds is how long a workload may take to become ready, in seconds; 600 if absent.
	ProgressDeadlineSeconds *Number `json:"progressDeadlineSeconds,omitempty"`
	// SkipAnalysis promotes a new version as soon as it is ready.
	SkipAnalysis bool `json:"skipAnalysis,omitempty"`
	// RevertOnDeletion gives the target its replicas and its traffic back when the Canary is deleted.
	RevertOnDeletion bool `json:"revertOnDeletion,omitempty"`
	// Suspend stops all work on the Canary; weights stay as they are.
	Suspend bool `json:"suspend,omitempty"`
}

// Canary releases new versions of a workload step by step.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=canaries,categories=all
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.phase"
// +kubebuilder:printcolumn:name="Weight",type="string",JSONPath=".status.canaryWeight"
// +kubebuilder:printcolumn:name="Suspended",type="boolean",JSONPath=".spec.suspend",priority=1
// +kubebuilder:printcolumn:name="FailedChecks",type="string",JSONPath=".status.failedChecks",priority=1
// +kubebuilder:printcolumn:name="Interval",type="string",JSONPath=".spec.analysis.interval",priority=1
// +kubebuilder:printcolumn:name="Mirror",type="boolean",JSONPath=".spec.analysis.mirror",priority=1
// +kubebuilder:printcolumn:name="StepWeight",type="string",JSONPath=".spec.analysis.stepWeight",priority=1
// +kubebuilder:printcolumn:name="StepWeights",type="string",JSONPath=".spec.analysis.stepWeights",priority=1
// +kubebuilder:printcolumn:name="MaxWeight",type="string",JSONPath=".spec.analysis.maxWeight",priority=1
// +kubebuilder:printcolumn:name="LastTransitionTime",type="string",JSONPath=".status.lastTransitionTime"
type Canary struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   CanarySpec   `json:"spec,omitempty"`
	Status CanaryStatus `json:"status,omitzero"`
}

// CanaryList is a list of Canary.
//
// +kubebuilder:object:root=true
type CanaryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Canary `json:"items"`
}
