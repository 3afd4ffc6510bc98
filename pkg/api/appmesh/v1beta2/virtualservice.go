package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// VirtualServiceActive is the condition that a VirtualService is served.
const VirtualServiceActive ConditionType = "VirtualServiceActive"

// VirtualNodeServiceProvider is a virtual node that answers for a virtual service: one of its fields.
type VirtualNodeServiceProvider struct {
	// VirtualNodeRef points at the VirtualNode.
	VirtualNodeRef *VirtualNodeReference `json:"virtualNodeRef,omitempty"`
	// VirtualNodeARN names a virtual node by ARN.
	VirtualNodeARN *string `json:"virtualNodeARN,omitempty"`
}

// VirtualRouterServiceProvider is a virtual router that answers for a virtual service: one of its fields.
type VirtualRouterServiceProvider struct {
	// VirtualRouterRef points at the VirtualRouter.
	VirtualRouterRef *VirtualRouterReference `json:"virtualRouterRef,omitempty"`
	// VirtualRouterARN names a virtual router by ARN.
	VirtualRouterARN *string `json:"virtualRouterARN,omitempty"`
}

// VirtualServiceProvider answers for a virtual service: one of its fields.
type VirtualServiceProvider struct {
	// VirtualNode that answers.
	VirtualNode *VirtualNodeServiceProvider `json:"virtualNode,omitempty"`
	// VirtualRouter that answers.
	VirtualRouter *VirtualRouterServiceProvider `json:"virtualRouter,omitempty"`
}

// VirtualServiceSpec is the wanted state of a VirtualService.
type VirtualServiceSpec struct {
	// AWSName is the host name that callers use; <name>.<namespace> if absent. It cannot change.
	AWSName *string `json:"awsName,omitempty"`
	// Provider answers for the virtual service; without one callers get an error.
	Provider *VirtualServiceProvider `json:"provider,omitempty"`
	// MeshRef is the mesh that the virtual service belongs to. It is written by admission and cannot change.
	MeshRef *MeshReference `json:"meshRef,omitempty"`
}

// VirtualServiceStatus is the observed state of a VirtualService.
type VirtualServiceStatus struct {
	// VirtualServiceARN is the ARN of the virtual service.
	VirtualServiceARN *string `json:"virtualServiceARN,omitempty"`
	// Conditions of the VirtualService: VirtualServiceActive.
	Conditions []Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that this status is about.
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`
}

// VirtualService is a host name of the mesh and who answers for it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
// +kubebuilder:printcolumn:name="ARN",type="string",JSONPath=".status.virtualServiceARN"
// +kubebuilder:printcolumn:name="AGE",type="date",JSONPath=".metadata.creationTimestamp"
type VirtualService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   VirtualServiceSpec   `json:"spec,omitempty"`
	Status VirtualServiceStatus `json:"status,omitzero"`
}

// VirtualServiceList is a list of VirtualService.
//
// +kubebuilder:object:root=true
type VirtualServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VirtualService `json:"items"`
}
