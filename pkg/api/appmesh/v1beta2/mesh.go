package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MeshActive is the condition that a Mesh is served.
const MeshActive ConditionType = "MeshActive"

// EgressFilterType says what happens to traffic towards destinations that are not in the mesh.
// +kubebuilder:validation:Enum=ALLOW_ALL;DROP_ALL
type EgressFilterType string

// Types of egress filter.
const (
	// EgressFilterTypeAllowAll passes traffic to unknown destinations through.
	EgressFilterTypeAllowAll EgressFilterType = "ALLOW_ALL"
	// EgressFilterTypeDropAll refuses traffic to unknown destinations; it is the default.
	EgressFilterTypeDropAll EgressFilterType = "DROP_ALL"
)

// EgressFilter is the filter for traffic that leaves the mesh.
type EgressFilter struct {
	// Type of the filter.
	Type EgressFilterType `json:"type"`
}

// IPPreference is the address family of the mesh.
// +kubebuilder:validation:Enum=IPv6_ONLY;IPv4_ONLY
type IPPreference string

// Address families of a mesh.
const (
	IPPreferenceIPv6Only IPPreference = "IPv6_ONLY"
	IPPreferenceIPv4Only IPPreference = "IPv4_ONLY"
)

// MeshServiceDiscovery is how addresses are found throughout the mesh.
type MeshServiceDiscovery struct {
	// IPPreference is the address family to use.
	IPPreference *IPPreference `json:"ipPreference,omitempty"`
}

// MeshSpec is the wanted state of a Mesh.
type MeshSpec struct {
	// AWSName is the name of the mesh; that of the object if absent. It cannot change.
	AWSName *string `json:"awsName,omitempty"`
	// NamespaceSelector picks the namespaces whose objects belong to the mesh.
	// Absent picks none, empty picks all.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// EgressFilter is the filter for traffic that leaves the mesh; DROP_ALL if absent.
	EgressFilter *EgressFilter `json:"egressFilter,omitempty"`
	// MeshOwner was the AWS account of a mesh shared between accounts.
	MeshOwner *string `json:"meshOwner,omitempty"`
	// MeshServiceDiscovery is how addresses are found.
	MeshServiceDiscovery *MeshServiceDiscovery `json:"meshServiceDiscovery,omitempty"`
}

// MeshStatus is the observed state of a Mesh.
type MeshStatus struct {
	// MeshARN is the ARN of the mesh.
	MeshARN *string `json:"meshARN,omitempty"`
	// Conditions of the Mesh: MeshActive.
	Conditions []Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that this status is about.
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`
}

// Mesh is the boundary inside which virtual nodes, routers, services and gateways know each other.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name="ARN",type="string",JSONPath=".status.meshARN"
// +kubebuilder:printcolumn:name="AGE",type="date",JSONPath=".metadata.creationTimestamp"
type Mesh struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MeshSpec   `json:"spec,omitempty"`
	Status MeshStatus `json:"status,omitzero"`
}

// MeshList is a list of Mesh.
//
// +kubebuilder:object:root=true
type MeshList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Mesh `json:"items"`
}
