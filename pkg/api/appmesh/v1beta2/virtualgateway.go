package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// VirtualGatewayActive is the condition that a VirtualGateway is served.
const VirtualGatewayActive ConditionType = "VirtualGatewayActive"

// VirtualGatewayPortMapping is the port of a gateway's listener. It is a PortMapping without tcp.
type VirtualGatewayPortMapping struct {
	// Port number, 1 to 65535.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int64 `json:"port"`
	// Protocol that the port speaks.
	// +kubebuilder:validation:Enum=grpc;http;http2
	Protocol PortProtocol `json:"protocol"`
}

// VirtualGatewayHealthCheckPolicy is an active health check of a gateway's listener.
type VirtualGatewayHealthCheckPolicy struct {
	// HealthyThreshold is how many checks in a row must pass before the gateway counts as healthy, 2 to 10.
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=10
	HealthyThreshold *int64 `json:"healthyThreshold,omitempty"`
	// IntervalMillis is the time between checks in milliseconds, 5000 to 300000.
	// +kubebuilder:validation:Minimum=5000
	// +kubebuilder:validation:Maximum=300000
	IntervalMillis int64 `json:"intervalMillis"`
	// Path of the request; for http and http2 only.
	Path *string `json:"path,omitempty"`
	// Port to check; that of the listener if absent.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int64 `json:"port,omitempty"`
	// Protocol of the check.
	// +kubebuilder:validation:Enum=grpc;http;http2
	Protocol PortProtocol `json:"protocol"`
	// TimeoutMillis is how long to wait for an answer in milliseconds, 2000 to 60000.
	// +kubebuilder:validation:Minimum=2000
	// +kubebuilder:validation:Maximum=60000
	TimeoutMillis int64 `json:"timeoutMillis"`
	// UnhealthyThreshold is how many checks in a row must fail before the gateway counts as unhealthy, 2 to 10.
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=10
	UnhealthyThreshold int64 `json:"unhealthyThreshold"`
}

// VirtualGatewayConnectionPool limits a gateway's listener: exactly one of its fields, that of the listener's protocol.
type VirtualGatewayConnectionPool struct {
	// HTTP limits for an http listener.
	HTTP *HTTPConnectionPool `json:"http,omitempty"`
	// HTTP2 limits for an http2 listener.
	HTTP2 *HTTP2ConnectionPool `json:"http2,omitempty"`
	// GRPC limits for a grpc listener.
	GRPC *GRPCConnectionPool `json:"grpc,omitempty"`
}

// VirtualGatewayListener is a port on which a gateway takes traffic.
type VirtualGatewayListener struct {
	// PortMapping is the port and its protocol.
	PortMapping VirtualGatewayPortMapping `json:"portMapping"`
	// HealthCheck of the listener.
	HealthCheck *VirtualGatewayHealthCheckPolicy `json:"healthCheck,omitempty"`
	// ConnectionPool limits what the listener takes at once.
	ConnectionPool *VirtualGatewayConnectionPool `json:"connectionPool,omitempty"`
	// TLS of the listener; without it the listener takes plain connections.
	TLS *ListenerTLS `json:"tls,omitempty"`
}

// VirtualGatewaySpec is the wanted state of a VirtualGateway.
type VirtualGatewaySpec struct {
	// AWSName is the name of the gateway in the mesh; <name>_<namespace> if absent. It cannot change.
	AWSName *string `json:"awsName,omitempty"`
	// NamespaceSelector picks the namespaces whose GatewayRoutes the gateway may take.
	// Absent picks none, empty picks all.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// PodSelector picks the pods of the gateway, in its namespace. Absent picks none, empty picks all.
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
	// GatewayRouteSelector picks the GatewayRoutes by their labels. Absent picks all.
	GatewayRouteSelector *metav1.LabelSelector `json:"gatewayRouteSelector,omitempty"`
	// Listeners on which the gateway takes traffic.
	// +kubebuilder:validation:MinItems=0
	Listeners []VirtualGatewayListener `json:"listeners,omitempty"`
	// BackendDefaults hold for every virtual service that the gateway routes to.
	BackendDefaults *BackendDefaults `json:"backendDefaults,omitempty"`
	// Logging of the gateway's proxies.
	Logging *Logging `json:"logging,omitempty"`
	// MeshRef is the mesh that the gateway belongs to. It is written by admission and cannot change.
	MeshRef *MeshReference `json:"meshRef,omitempty"`
}

// VirtualGatewayStatus is the observed state of a VirtualGateway.
type VirtualGatewayStatus struct {
	// VirtualGatewayARN is the ARN of the gateway.
	VirtualGatewayARN *string `json:"virtualGatewayARN,omitempty"`
	// Conditions of the VirtualGateway: VirtualGatewayActive.
	Conditions []Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that this status is about.
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`
}

// VirtualGateway lets traffic from outside into the mesh.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
// +kubebuilder:printcolumn:name="ARN",type="string",JSONPath=".status.virtualGatewayARN"
// +kubebuilder:printcolumn:name="AGE",type="date",JSONPath=".metadata.creationTimestamp"
type VirtualGateway struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   VirtualGatewaySpec   `json:"spec,omitempty"`
	Status VirtualGatewayStatus `json:"status,omitzero"`
}

// VirtualGatewayList is a list of VirtualGateway.
//
// +kubebuilder:object:root=true
type VirtualGatewayList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VirtualGateway `json:"items"`
}
