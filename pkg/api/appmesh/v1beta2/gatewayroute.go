package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GatewayRouteActive is the condition that a GatewayRoute is served.
const GatewayRouteActive ConditionType = "GatewayRouteActive"

// Values of the switches in a rewrite. Both rewrites are on by default.
const (
	RewriteEnabled  = "ENABLED"
	RewriteDisabled = "DISABLED"
)

// GatewayRouteVirtualService is a virtual service that a gateway routes to: one of its fields.
type GatewayRouteVirtualService struct {
	// VirtualServiceRef points at the VirtualService.
	VirtualServiceRef *VirtualServiceReference `json:"virtualServiceRef,omitempty"`
	// VirtualServiceARN names a virtual service by ARN.
	VirtualServiceARN *string `json:"virtualServiceARN,omitempty"`
}

// GatewayRouteTarget is where a gateway's traffic goes.
type GatewayRouteTarget struct {
	// VirtualService to route to.
	VirtualService GatewayRouteVirtualService `json:"virtualService"`
	// Port of the virtual service's provider; needed only where it has several.
	// +kubebuilder:validation:Minimum=0
	Port *int64 `json:"port,omitempty"`
}

// GatewayRouteHostnameMatch matches the host of a request: exactly one of its fields.
type GatewayRouteHostnameMatch struct {
	// Exact host name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Exact *string `json:"exact,omitempty"`
	// Suffix of the host name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Suffix *string `json:"suffix,omitempty"`
}

// GatewayRouteHostnameRewrite says whether the host of a request is rewritten.
type GatewayRouteHostnameRewrite struct {
	// DefaultTargetHostname replaces the host by the name of the virtual service; ENABLED if absent.
	// +kubebuilder:validation:Enum=ENABLED;DISABLED
	DefaultTargetHostname *string `json:"defaultTargetHostname,omitempty"`
}

// GatewayRoutePrefixRewrite says what the matched prefix becomes: one of its fields.
type GatewayRoutePrefixRewrite struct {
	// DefaultPrefix replaces the matched prefix by a slash; ENABLED if absent.
	// +kubebuilder:validation:Enum=ENABLED;DISABLED
	DefaultPrefix *string `json:"defaultPrefix,omitempty"`
	// Value replaces the matched prefix; starts and ends with a slash.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Value *string `json:"value,omitempty"`
}

// GatewayRoutePathRewrite says what the path becomes.
type GatewayRoutePathRewrite struct {
	// Exact path that replaces the whole path.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Exact *string `json:"exact,omitempty"`
}

// HTTPGatewayRouteMatch matches HTTP and HTTP/2 requests; every field that is present must match.
// One of prefix, path and hostname is needed.
type HTTPGatewayRouteMatch struct {
	// Prefix of the path; starts with a slash.
	Prefix *string `json:"prefix,omitempty"`
	// Path of the request.
	Path *HTTPPathMatch `json:"path,omitempty"`
	// Hostname of the request.
	Hostname *GatewayRouteHostnameMatch `json:"hostname,omitempty"`
	// Method of the request.
	// +kubebuilder:validation:Enum=CONNECT;DELETE;GET;HEAD;OPTIONS;PATCH;POST;PUT;TRACE
	Method *string `json:"method,omitempty"`
	// Headers of the request, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Headers []HTTPRouteHeader `json:"headers,omitempty"`
	// QueryParameters of the request, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	QueryParameters []HTTPQueryParameters `json:"queryParameters,omitempty"`
	// Port of the gateway's listener; needed only where it has several.
	// +kubebuilder:validation:Minimum=0
	Port *int64 `json:"port,omitempty"`
}

// HTTPGatewayRouteRewrite is what happens to a request on its way through the gateway.
type HTTPGatewayRouteRewrite struct {
	// Prefix rewrite; goes with a prefix match.
	Prefix *GatewayRoutePrefixRewrite `json:"prefix,omitempty"`
	// Path rewrite; goes with a path match.
	Path *GatewayRoutePathRewrite `json:"path,omitempty"`
	// Hostname rewrite.
	Hostname *GatewayRouteHostnameRewrite `json:"hostname,omitempty"`
}

// HTTPGatewayRouteAction is where HTTP and HTTP/2 requests go and what happens to them.
type HTTPGatewayRouteAction struct {
	// Target of the requests.
	Target GatewayRouteTarget `json:"target"`
	// Rewrite of the requests.
	Rewrite *HTTPGatewayRouteRewrite `json:"rewrite,omitempty"`
}

// HTTPGatewayRoute routes HTTP or HTTP/2 requests from a gateway into the mesh.
type HTTPGatewayRoute struct {
	// Match says which requests.
	Match HTTPGatewayRouteMatch `json:"match"`
	// Action says where to.
	Action HTTPGatewayRouteAction `json:"action"`
}

// GRPCGatewayRouteMatch matches gRPC calls; every field that is present must match.
// One of serviceName and hostname is needed.
type GRPCGatewayRouteMatch struct {
	// ServiceName is the full name of the gRPC service.
	ServiceName *string `json:"serviceName,omitempty"`
	// Hostname of the call.
	Hostname *GatewayRouteHostnameMatch `json:"hostname,omitempty"`
	// Metadata of the call, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Metadata []GRPCRouteMetadata `json:"metadata,omitempty"`
	// Port of the gateway's listener; needed only where it has several.
	// +kubebuilder:validation:Minimum=0
	Port *int64 `json:"port,omitempty"`
}

// GRPCGatewayRouteRewrite is what happens to a call on its way through the gateway.
type GRPCGatewayRouteRewrite struct {
	// Hostname rewrite.
	Hostname *GatewayRouteHostnameRewrite `json:"hostname,omitempty"`
}

// GRPCGatewayRouteAction is where gRPC calls go and what happens to them.
type GRPCGatewayRouteAction struct {
	// Target of the calls.
	Target GatewayRouteTarget `json:"target"`
	// Rewrite of the calls.
	Rewrite *GRPCGatewayRouteRewrite `json:"rewrite,omitempty"`
}

// GRPCGatewayRoute routes gRPC calls from a gateway into the mesh.
type GRPCGatewayRoute struct {
	// Match says which calls.
	Match GRPCGatewayRouteMatch `json:"match"`
	// Action says where to.
	Action GRPCGatewayRouteAction `json:"action"`
}

// GatewayRouteSpec is the wanted state of a GatewayRoute; exactly one of its three kinds of route.
type GatewayRouteSpec struct {
	// AWSName is the name of the route in the mesh; <name>_<namespace> if absent. It cannot change.
	AWSName *string `json:"awsName,omitempty"`
	// Priority of the route, 0 to 1000; the lowest number is tried first, absent means 1000.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Priority *int64 `json:"priority,omitempty"`
	// GRPCRoute for a grpc listener.
	GRPCRoute *GRPCGatewayRoute `json:"grpcRoute,omitempty"`
	// HTTPRoute for an http listener.
	HTTPRoute *HTTPGatewayRoute `json:"httpRoute,omitempty"`
	// HTTP2Route for an http2 listener.
	HTTP2Route *HTTPGatewayRoute `json:"http2Route,omitempty"`
	// VirtualGatewayRef is the gateway of the route. It is written by admission and cannot change.
	VirtualGatewayRef *VirtualGatewayReference `json:"virtualGatewayRef,omitempty"`
	// MeshRef is the mesh that the route belongs to. It is written by admission and cannot change.
	MeshRef *MeshReference `json:"meshRef,omitempty"`
}

// GatewayRouteStatus is the observed state of a GatewayRoute.
type GatewayRouteStatus struct {
	// GatewayRouteARN is the ARN of the route.
	GatewayRouteARN *string `json:"gatewayRouteARN,omitempty"`
	// Conditions of the GatewayRoute: GatewayRouteActive.
	Conditions []Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that this status is about.
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`
}

// GatewayRoute routes traffic from a virtual gateway to a virtual service.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
// +kubebuilder:printcolumn:name="ARN",type="string",JSONPath=".status.gatewayRouteARN"
// +kubebuilder:printcolumn:name="AGE",type="date",JSONPath=".metadata.creationTimestamp"
type GatewayRoute struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   GatewayRouteSpec   `json:"spec,omitempty"`
	Status GatewayRouteStatus `json:"status,omitzero"`
}

// GatewayRouteList is a list of GatewayRoute.
//
// +kubebuilder:object:root=true
type GatewayRouteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []GatewayRoute `json:"items"`
}
