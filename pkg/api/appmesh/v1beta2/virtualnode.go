package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// VirtualNodeActive is the condition that a VirtualNode is served.
const VirtualNodeActive ConditionType = "VirtualNodeActive"

// VirtualServiceBackend is a virtual service that a virtual node talks to: one of virtualServiceRef and virtualServiceARN.
type VirtualServiceBackend struct {
	// VirtualServiceRef points at the VirtualService.
	VirtualServiceRef *VirtualServiceReference `json:"virtualServiceRef,omitempty"`
	// VirtualServiceARN names a virtual service by ARN.
	VirtualServiceARN *string `json:"virtualServiceARN,omitempty"`
	// ClientPolicy is how connections to the backend are made; that of backendDefaults if absent.
	ClientPolicy *ClientPolicy `json:"clientPolicy,omitempty"`
}

// Backend is something that a virtual node talks to.
type Backend struct {
	// VirtualService to talk to.
	VirtualService VirtualServiceBackend `json:"virtualService"`
}

// BackendGroupReference points at a BackendGroup; the name * means every VirtualService of the namespace.
type BackendGroupReference struct {
	// Namespace of the BackendGroup; that of the virtual node if absent.
	Namespace *string `json:"namespace,omitempty"`
	// Name of the BackendGroup, or *.
	Name string `json:"name"`
}

// HealthCheckPolicy is an active health check of a virtual node's listener.
type HealthCheckPolicy struct {
	// HealthyThreshold is how many checks in a row must pass before an endpoint counts as healthy, 2 to 10.
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=10
	HealthyThreshold int64 `json:"healthyThreshold"`
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
	// +kubebuilder:validation:Enum=grpc;http;http2;tcp
	Protocol PortProtocol `json:"protocol"`
	// TimeoutMillis is how long to wait for an answer in milliseconds, 2000 to 60000.
	// +kubebuilder:validation:Minimum=2000
	// +kubebuilder:validation:Maximum=60000
	TimeoutMillis int64 `json:"timeoutMillis"`
	// UnhealthyThreshold is how many checks in a row must fail before an endpoint counts as unhealthy, 2 to 10.
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=10
	UnhealthyThreshold int64 `json:"unhealthyThreshold"`
}

// OutlierDetection takes endpoints that answer with server errors out of the rotation.
type OutlierDetection struct {
	// MaxServerErrors is how many server errors in a row eject an endpoint.
	// +kubebuilder:validation:Minimum=1
	MaxServerErrors int64 `json:"maxServerErrors"`
	// Interval between ejection sweeps.
	Interval Duration `json:"interval"`
	// BaseEjectionDuration is how long the first ejection lasts.
	BaseEjectionDuration Duration `json:"baseEjectionDuration"`
	// MaxEjectionPercent is the share of endpoints that may be ejected at once, in percent.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxEjectionPercent int64 `json:"maxEjectionPercent"`
}

// VirtualNodeConnectionPool limits a listener: exactly one of its fields, that of the listener's protocol.
type VirtualNodeConnectionPool struct {
	// TCP limits for a tcp listener.
	TCP *TCPConnectionPool `json:"tcp,omitempty"`
	// HTTP limits for an http listener.
	HTTP *HTTPConnectionPool `json:"http,omitempty"`
	// HTTP2 limits for an http2 listener.
	HTTP2 *HTTP2ConnectionPool `json:"http2,omitempty"`
	// GRPC limits for a grpc listener.
	GRPC *GRPCConnectionPool `json:"grpc,omitempty"`
}

// ListenerTimeout limits a listener's requests: exactly one of its fields, that of the listener's protocol.
type ListenerTimeout struct {
	// TCP limits for a tcp listener.
	TCP *TCPTimeout `json:"tcp,omitempty"`
	// HTTP limits for an http listener.
	HTTP *HTTPTimeout `json:"http,omitempty"`
	// HTTP2 limits for an http2 listener.
	HTTP2 *HTTPTimeout `json:"http2,omitempty"`
	// GRPC limits for a grpc listener.
	GRPC *GRPCTimeout `json:"grpc,omitempty"`
}

// Listener is a port on which a virtual node takes traffic.
type Listener struct {
	// PortMapping is the port and its protocol.
	PortMapping PortMapping `json:"portMapping"`
	// HealthCheck that callers make of the listener's endpoints.
	HealthCheck *HealthCheckPolicy `json:"healthCheck,omitempty"`
	// OutlierDetection that callers apply to the listener's endpoints.
	OutlierDetection *OutlierDetection `json:"outlierDetection,omitempty"`
	// ConnectionPool limits what the listener takes at once.
	ConnectionPool *VirtualNodeConnectionPool `json:"connectionPool,omitempty"`
	// TLS of the listener; without it the listener takes plain connections.
	TLS *ListenerTLS `json:"tls,omitempty"`
	// Timeout limits how long the listener's requests may take.
	Timeout *ListenerTimeout `json:"timeout,omitempty"`
}

// DNSResponseType says what the addresses behind a DNS name are.
// +kubebuilder:validation:Enum=ENDPOINTS;LOADBALANCER
type DNSResponseType string

// Types of DNS response.
const (
	// DNSResponseTypeEndpoints means that every address is an endpoint to balance over.
	DNSResponseTypeEndpoints DNSResponseType = "ENDPOINTS"
	// DNSResponseTypeLoadBalancer means that the addresses are those of a load balancer; any one will do.
	DNSResponseTypeLoadBalancer DNSResponseType = "LOADBALANCER"
)

// DNSServiceDiscovery finds endpoints by a host name.
type DNSServiceDiscovery struct {
	// Hostname to resolve.
	Hostname string `json:"hostname"`
	// ResponseType says what the addresses are; LOADBALANCER if absent.
	ResponseType *DNSResponseType `json:"responseType,omitempty"`
}

// AWSCloudMapInstanceAttribute is a key and a value that an instance must have.
type AWSCloudMapInstanceAttribute struct {
	// Key of the attribute.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Key string `json:"key"`
	// Value of the attribute.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value"`
}

// AWSCloudMapServiceDiscovery finds endpoints in Cloud Map. There is no AWS to ask any more: the endpoints are
// the ready pods that the virtual node selects, filtered by the attributes.
type AWSCloudMapServiceDiscovery struct {
	// NamespaceName is the name of the Cloud Map namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	NamespaceName string `json:"namespaceName"`
	// ServiceName is the name of the Cloud Map service.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	ServiceName string `json:"serviceName"`
	// Attributes that an instance must have.
	Attributes []AWSCloudMapInstanceAttribute `json:"attributes,omitempty"`
}

// ServiceDiscovery is how callers find the endpoints of a virtual node: one of its fields.
type ServiceDiscovery struct {
	// AWSCloudMap finds them in Cloud Map.
	AWSCloudMap *AWSCloudMapServiceDiscovery `json:"awsCloudMap,omitempty"`
	// DNS finds them by a host name.
	DNS *DNSServiceDiscovery `json:"dns,omitempty"`
}

// VirtualNodeSpec is the wanted state of a VirtualNode.
type VirtualNodeSpec struct {
	// AWSName is the name of the virtual node in the mesh; <name>_<namespace> if absent. It cannot change.
	AWSName *string `json:"awsName,omitempty"`
	// PodSelector picks the pods of the virtual node, in its namespace. Absent picks none, empty picks all.
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
	// Listeners on which the virtual node takes traffic.
	// +kubebuilder:validation:MinItems=0
	Listeners []Listener `json:"listeners,omitempty"`
	// ServiceDiscovery is how callers find the endpoints; required with a listener.
	ServiceDiscovery *ServiceDiscovery `json:"serviceDiscovery,omitempty"`
	// Backends that the virtual node talks to.
	Backends []Backend `json:"backends,omitempty"`
	// BackendGroups name more backends.
	BackendGroups []BackendGroupReference `json:"backendGroups,omitempty"`
	// BackendDefaults hold for every backend that does not say otherwise.
	BackendDefaults *BackendDefaults `json:"backendDefaults,omitempty"`
	// Logging of the virtual node's proxies.
	Logging *Logging `json:"logging,omitempty"`
	// MeshRef is the mesh that the virtual node belongs to. It is written by admission and cannot change.
	MeshRef *MeshReference `json:"meshRef,omitempty"`
}

// VirtualNodeStatus is the observed state of a VirtualNode.
type VirtualNodeStatus struct {
	// VirtualNodeARN is the ARN of the virtual node.
	VirtualNodeARN *string `json:"virtualNodeARN,omitempty"`
	// Conditions of the VirtualNode: VirtualNodeActive.
	Conditions []Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that this status is about.
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`
}

// VirtualNode is a workload of the mesh: its pods, what they listen to and what they talk to.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
// +kubebuilder:printcolumn:name="ARN",type="string",JSONPath=".status.virtualNodeARN"
// +kubebuilder:printcolumn:name="AGE",type="date",JSONPath=".metadata.creationTimestamp"
type VirtualNode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   VirtualNodeSpec   `json:"spec,omitempty"`
	Status VirtualNodeStatus `json:"status,omitzero"`
}

// VirtualNodeList is a list of VirtualNode.
//
// +kubebuilder:object:root=true
type VirtualNodeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VirtualNode `json:"items"`
}
