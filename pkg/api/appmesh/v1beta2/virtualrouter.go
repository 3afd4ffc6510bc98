package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// VirtualRouterActive is the condition that a VirtualRouter is served.
const VirtualRouterActive ConditionType = "VirtualRouterActive"

// WeightedTarget is a virtual node and its share of a route's traffic: one of virtualNodeRef and virtualNodeARN.
type WeightedTarget struct {
	// VirtualNodeRef points at the VirtualNode.
	VirtualNodeRef *VirtualNodeReference `json:"virtualNodeRef,omitempty"`
	// VirtualNodeARN names a virtual node by ARN.
	VirtualNodeARN *string `json:"virtualNodeARN,omitempty"`
	// Weight is relative to the sum of the route's weights, 0 to 100.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Weight int64 `json:"weight"`
	// Port of the virtual node's listener; needed only where it has several.
	// +kubebuilder:validation:Minimum=0
	Port *int64 `json:"port,omitempty"`
}

// HTTPRouteMatch matches HTTP and HTTP/2 requests; every field that is present must match. One of prefix and path is needed.
type HTTPRouteMatch struct {
	// Prefix of the path; starts with a slash.
	Prefix *string `json:"prefix,omitempty"`
	// Path of the request.
	Path *HTTPPathMatch `json:"path,omitempty"`
	// Method of the request.
	// +kubebuilder:validation:Enum=CONNECT;DELETE;GET;HEAD;OPTIONS;PATCH;POST;PUT;TRACE
	Method *string `json:"method,omitempty"`
	// Scheme of the request.
	// +kubebuilder:validation:Enum=http;https
	Scheme *string `json:"scheme,omitempty"`
	// Headers of the request, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Headers []HTTPRouteHeader `json:"headers,omitempty"`
	// QueryParameters of the request, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	QueryParameters []HTTPQueryParameters `json:"queryParameters,omitempty"`
	// Port of the router's listener; needed only where it has several.
	// +kubebuilder:validation:Minimum=0
	Port *int64 `json:"port,omitempty"`
}

// HTTPRouteAction is where HTTP and HTTP/2 requests go.
type HTTPRouteAction struct {
	// WeightedTargets share the traffic, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	WeightedTargets []WeightedTarget `json:"weightedTargets"`
	// Mirror copies requests to another VirtualNode, whose answers are dropped. It is an addition of Sluice.
	Mirror *HTTPRouteMirror `json:"mirror,omitempty"`
	// SetCookies are set by the answers of weighted targets, at most 10. They are an addition of Sluice.
	// +kubebuilder:validation:MaxItems=10
	SetCookies []HTTPRouteSetCookie `json:"setCookies,omitempty"`
}

// HTTPRouteMirror is where copies of requests go.
type HTTPRouteMirror struct {
	// VirtualNodeRef points at the VirtualNode.
	VirtualNodeRef *VirtualNodeReference `json:"virtualNodeRef"`
	// Percent of the requests that are copied, 0 to 100; all if absent.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int64 `json:"percent,omitempty"`
}

// HTTPRouteSetCookie is a cookie that answers set.
type HTTPRouteSetCookie struct {
	// VirtualNodeRef points at the weighted target whose answers set it.
	VirtualNodeRef *VirtualNodeReference `json:"virtualNodeRef"`
	// Cookie is the value of the header set-cookie: name=value; Max-Age=60.
	Cookie string `json:"cookie"`
}

// HTTPRetryPolicyEvent is an HTTP outcome after which a request is tried again.
// +kubebuilder:validation:Enum=server-error;gateway-error;client-error;stream-error
type HTTPRetryPolicyEvent string

// HTTP outcomes that can be retried.
const (
	// HTTPRetryPolicyEventServerError is any status from 500 to 511, except 509.
	HTTPRetryPolicyEventServerError HTTPRetryPolicyEvent = "server-error"
	// HTTPRetryPolicyEventGatewayError is 502, 503 or 504.
	HTTPRetryPolicyEventGatewayError HTTPRetryPolicyEvent = "gateway-error"
	// HTTPRetryPolicyEventClientError is 409.
	HTTPRetryPolicyEventClientError HTTPRetryPolicyEvent = "client-error"
	// HTTPRetryPolicyEventStreamError is a refused stream.
	HTTPRetryPolicyEventStreamError HTTPRetryPolicyEvent = "stream-error"
)

// TCPRetryPolicyEvent is a TCP outcome after which a request is tried again.
// +kubebuilder:validation:Enum=connection-error
type TCPRetryPolicyEvent string

// TCPRetryPolicyEventConnectionError is a connection that could not be made.
const TCPRetryPolicyEventConnectionError TCPRetryPolicyEvent = "connection-error"

// GRPCRetryPolicyEvent is a gRPC status after which a call is tried again.
// +kubebuilder:validation:Enum=cancelled;deadline-exceeded;internal;resource-exhausted;unavailable
type GRPCRetryPolicyEvent string

// gRPC statuses that can be retried.
const (
	GRPCRetryPolicyEventCancelled         GRPCRetryPolicyEvent = "cancelled"
	GRPCRetryPolicyEventDeadlineExceeded  GRPCRetryPolicyEvent = "deadline-exceeded"
	GRPCRetryPolicyEventInternal          GRPCRetryPolicyEvent = "internal"
	GRPCRetryPolicyEventResourceExhausted GRPCRetryPolicyEvent = "resource-exhausted"
	GRPCRetryPolicyEventUnavailable       GRPCRetryPolicyEvent = "unavailable"
)

// HTTPRetryPolicy says when HTTP and HTTP/2 requests are tried again.
type HTTPRetryPolicy struct {
	// HTTPRetryEvents are the HTTP outcomes, 1 to 25.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	HTTPRetryEvents []HTTPRetryPolicyEvent `json:"httpRetryEvents,omitempty"`
	// TCPRetryEvents are the TCP outcomes.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1
	TCPRetryEvents []TCPRetryPolicyEvent `json:"tcpRetryEvents,omitempty"`
	// MaxRetries is how many times a request is tried again.
	// +kubebuilder:validation:Minimum=0
	MaxRetries int64 `json:"maxRetries"`
	// PerRetryTimeout is how long each try may take.
	PerRetryTimeout Duration `json:"perRetryTimeout"`
}

// HTTPRoute routes HTTP or HTTP/2 requests.
type HTTPRoute struct {
	// Match says which requests.
	Match HTTPRouteMatch `json:"match"`
	// Action says where to.
	Action HTTPRouteAction `json:"action"`
	// RetryPolicy says when a request is tried again.
	RetryPolicy *HTTPRetryPolicy `json:"retryPolicy,omitempty"`
	// Timeout limits the requests.
	Timeout *HTTPTimeout `json:"timeout,omitempty"`
}

// TCPRouteMatch matches TCP connections.
type TCPRouteMatch struct {
	// Port of the router's listener; needed only where it has several.
	// +kubebuilder:validation:Minimum=0
	Port *int64 `json:"port,omitempty"`
}

// TCPRouteAction is where TCP connections go.
type TCPRouteAction struct {
	// WeightedTargets share the connections, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	WeightedTargets []WeightedTarget `json:"weightedTargets"`
}

// TCPRoute routes TCP connections.
type TCPRoute struct {
	// Match says which connections; all if absent.
	Match *TCPRouteMatch `json:"match,omitempty"`
	// Action says where to.
	Action TCPRouteAction `json:"action"`
	// Timeout limits the connections.
	Timeout *TCPTimeout `json:"timeout,omitempty"`
}

// GRPCRouteMatch matches gRPC calls; every field that is present must match.
type GRPCRouteMatch struct {
	// ServiceName is the full name of the gRPC service.
	ServiceName *string `json:"serviceName,omitempty"`
	// MethodName is the name of the method; needs serviceName.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	MethodName *string `json:"methodName,omitempty"`
	// Metadata of the call, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Metadata []GRPCRouteMetadata `json:"metadata,omitempty"`
	// Port of the router's listener; needed only where it has several.
	// +kubebuilder:validation:Minimum=0
	Port *int64 `json:"port,omitempty"`
}

// GRPCRouteAction is where gRPC calls go.
type GRPCRouteAction struct {
	// WeightedTargets share the calls, 1 to 10.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	WeightedTargets []WeightedTarget `json:"weightedTargets"`
}

// GRPCRetryPolicy says when gRPC calls are tried again.
type GRPCRetryPolicy struct {
	// GRPCRetryEvents are the gRPC statuses, 1 to 5.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	GRPCRetryEvents []GRPCRetryPolicyEvent `json:"grpcRetryEvents,omitempty"`
	// HTTPRetryEvents are the HTTP outcomes, 1 to 25.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	HTTPRetryEvents []HTTPRetryPolicyEvent `json:"httpRetryEvents,omitempty"`
	// TCPRetryEvents are the TCP outcomes.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1
	TCPRetryEvents []TCPRetryPolicyEvent `json:"tcpRetryEvents,omitempty"`
	// MaxRetries is how many times a call is tried again.
	// +kubebuilder:validation:Minimum=0
	MaxRetries int64 `json:"maxRetries"`
	// PerRetryTimeout is how long each try may take.
	PerRetryTimeout Duration `json:"perRetryTimeout"`
}

// GRPCRoute routes gRPC calls.
type GRPCRoute struct {
	// Match says which calls.
	Match GRPCRouteMatch `json:"match"`
	// Action says where to.
	Action GRPCRouteAction `json:"action"`
	// RetryPolicy says when a call is tried again.
	RetryPolicy *GRPCRetryPolicy `json:"retryPolicy,omitempty"`
	// Timeout limits the calls.
	Timeout *GRPCTimeout `json:"timeout,omitempty"`
}

// Route is one rule of a virtual router: exactly one of its four kinds.
type Route struct {
	// Name of the route, unique in the router.
	Name string `json:"name"`
	// Priority of the route, 0 to 1000; the lowest number is tried first, absent comes last.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Priority *int64 `json:"priority,omitempty"`
	// GRPCRoute for a grpc listener.
	GRPCRoute *GRPCRoute `json:"grpcRoute,omitempty"`
	// HTTPRoute for an http listener.
	HTTPRoute *HTTPRoute `json:"httpRoute,omitempty"`
	// HTTP2Route for an http2 listener.
	HTTP2Route *HTTPRoute `json:"http2Route,omitempty"`
	// TCPRoute for a tcp listener.
	TCPRoute *TCPRoute `json:"tcpRoute,omitempty"`
}

// VirtualRouterListener is a port of a virtual router.
type VirtualRouterListener struct {
	// PortMapping is the port and its protocol.
	PortMapping PortMapping `json:"portMapping"`
}

// VirtualRouterSpec is the wanted state of a VirtualRouter.
type VirtualRouterSpec struct {
	// AWSName is the name of the virtual router in the mesh; <name>_<namespace> if absent. It cannot change.
	AWSName *string `json:"awsName,omitempty"`
	// Listeners of the router, at least one.
	// +kubebuilder:validation:MinItems=1
	Listeners []VirtualRouterListener `json:"listeners,omitempty"`
	// Routes of the router.
	Routes []Route `json:"routes,omitempty"`
	// MeshRef is the mesh that the virtual router belongs to. It is written by admission and cannot change.
	MeshRef *MeshReference `json:"meshRef,omitempty"`
}

// VirtualRouterStatus is the observed state of a VirtualRouter.
type VirtualRouterStatus struct {
	// VirtualRouterARN is the ARN of the virtual router.
	VirtualRouterARN *string `json:"virtualRouterARN,omitempty"`
	// RouteARNs maps the name of each route to its ARN.
	RouteARNs map[string]string `json:"routeARNs,omitempty"`
	// Conditions of the VirtualRouter: VirtualRouterActive.
	Conditions []Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that this status is about.
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`
}

// VirtualRouter spreads the traffic of a virtual service over virtual nodes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
// +kubebuilder:printcolumn:name="ARN",type="string",JSONPath=".status.virtualRouterARN"
// +kubebuilder:printcolumn:name="AGE",type="date",JSONPath=".metadata.creationTimestamp"
type VirtualRouter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   VirtualRouterSpec   `json:"spec,omitempty"`
	Status VirtualRouterStatus `json:"status,omitzero"`
}

// VirtualRouterList is a list of VirtualRouter.
//
// +kubebuilder:object:root=true
type VirtualRouterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VirtualRouter `json:"items"`
}
