package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// BackendGroupSpec is the wanted state of a BackendGroup.
type BackendGroupSpec struct {
	// VirtualServices of the group. The JSON name is all lower case, as in App Mesh.
	VirtualServices []VirtualServiceReference `json:"virtualservices,omitempty"`
	// MeshRef is the mesh that the group belongs to. It is written by admission and cannot change.
	MeshRef *MeshReference `json:"meshRef,omitempty"`
}

// BackendGroupStatus is the observed state of a BackendGroup; App Mesh defines no field.
type BackendGroupStatus struct{}

// BackendGroup is a list of virtual services that virtual nodes can name as backends together.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
type BackendGroup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BackendGroupSpec   `json:"spec,omitempty"`
	Status BackendGroupStatus `json:"status,omitzero"`
}

// BackendGroupList is a list of BackendGroup.
//
// +kubebuilder:object:root=true
type BackendGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []BackendGroup `json:"items"`
}
