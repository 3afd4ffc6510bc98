package v1beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ConditionType names a condition; each kind has one, see the constants beside the kind.
type ConditionType string

// Condition is one observation about an object. App Mesh left reason and message empty; we fill them.
type Condition struct {
	// Type of the condition, for example VirtualNodeActive.
	Type ConditionType `json:"type"`
	// Status is True, False or Unknown.
	Status metav1.ConditionStatus `json:"status"`
	// LastTransitionTime is when the status last changed.
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
	// Reason is one word for programs.
	Reason string `json:"reason,omitempty"`
	// Message is one sentence for people.
	Message string `json:"message,omitempty"`
}

// MeshReference points at the Mesh that an object belongs to. It is written by admission, never by users.
type MeshReference struct {
	// Name of the Mesh.
	Name string `json:"name"`
	// UID of the Mesh. A Mesh that was deleted and created again has another one.
	UID types.UID `json:"uid"`
}

// VirtualGatewayReference points at the VirtualGateway of a GatewayRoute. It is written by admission, never by users.
type VirtualGatewayReference struct {
	// Namespace of the VirtualGateway; that of the referencing object if absent.
	Namespace *string `json:"namespace,omitempty"`
	// Name of the VirtualGateway.
	Name string `json:"name"`
	// UID of the VirtualGateway.
	UID types.UID `json:"uid"`
}

// VirtualServiceReference points at a VirtualService.
type VirtualServiceReference struct {
	// Namespace of the VirtualService; that of the referencing object if absent.
	Namespace *string `json:"namespace,omitempty"`
	// Name of the VirtualService.
	Name string `json:"name"`
}

// VirtualRouterReference points at a VirtualRouter.
type VirtualRouterReference struct {
	// Namespace of the VirtualRouter; that of the referencing object if absent.
	Namespace *string `json:"namespace,omitempty"`
	// Name of the VirtualRouter.
	Name string `json:"name"`
}

// VirtualNodeReference points at a VirtualNode.
type VirtualNodeReference struct {
	// Namespace of the VirtualNode; that of the referencing object if absent.
	Namespace *string `json:"namespace,omitempty"`
	// Name of the VirtualNode.
	Name string `json:"name"`
}

// DurationUnit is the unit of a Duration.
// +kubebuilder:validation:Enum=s;ms
type DurationUnit string

// Units of a Duration.
const (
	DurationUnitS  DurationUnit = "s"
	DurationUnitMS DurationUnit = "ms"
)

// Duration is a span of time.
type Duration struct {
	// Unit is s (seconds) or ms (milliseconds).
	Unit DurationUnit `json:"unit"`
	// Value is the number of units; 0 switches a timeout off.
	// +kubebuilder:validation:Minimum=0
	Value int64 `json:"value"`
}

// PortProtocol is what a listener speaks. Virtual gateways have no tcp.
type PortProtocol string

// Protocols of a listener.
const (
	PortProtocolGRPC  PortProtocol = "grpc"
	PortProtocolHTTP  PortProtocol = "http"
	PortProtocolHTTP2 PortProtocol = "http2"
	PortProtocolTCP   PortProtocol = "tcp"
)

// PortMapping is the port of a listener of a virtual node or a virtual router.
type PortMapping struct {
	// Port number, 1 to 65535.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int64 `json:"port"`
	// Protocol that the port speaks.
	// +kubebuilder:validation:Enum=grpc;http;http2;tcp
	Protocol PortProtocol `json:"protocol"`
}

// TCPTimeout limits TCP connections.
type TCPTimeout struct {
	// Idle is how long a connection may be silent.
	Idle *Duration `json:"idle,omitempty"`
}

// HTTPTimeout limits HTTP and HTTP/2 requests.
type HTTPTimeout struct {
	// PerRequest is how long a request may take, retries included; 15 s if absent.
	PerRequest *Duration `json:"perRequest,omitempty"`
	// Idle is how long a stream may be silent; 300 s if absent.
	Idle *Duration `json:"idle,omitempty"`
}

// GRPCTimeout limits gRPC calls.
type GRPCTimeout struct {
	// PerRequest is how long a call may take, retries included; 15 s if absent.
	PerRequest *Duration `json:"perRequest,omitempty"`
	// Idle is how long a stream may be silent; 300 s if absent.
	Idle *Duration `json:"idle,omitempty"`
}

// TCPConnectionPool limits the connections of a TCP listener.
type TCPConnectionPool struct {
	// MaxConnections is how many connections may be open at once.
	// +kubebuilder:validation:Minimum=1
	MaxConnections int64 `json:"maxConnections"`
}

// HTTPConnectionPool limits the connections of an HTTP listener.
type HTTPConnectionPool struct {
	// MaxConnections is how many connections may be open at once.
	// +kubebuilder:validation:Minimum=1
	MaxConnections int64 `json:"maxConnections"`
	// MaxPendingRequests is how many requests may wait for a connection.
	// +kubebuilder:validation:Minimum=1
	MaxPendingRequests *int64 `json:"maxPendingRequests,omitempty"`
}

// HTTP2ConnectionPool limits the requests of an HTTP/2 listener.
type HTTP2ConnectionPool struct {
	// MaxRequests is how many requests may be in flight at once.
	// +kubebuilder:validation:Minimum=1
	MaxRequests int64 `json:"maxRequests"`
}

// GRPCConnectionPool limits the calls of a gRPC listener.
type GRPCConnectionPool struct {
	// MaxRequests is how many calls may be in flight at once.
	// +kubebuilder:validation:Minimum=1
	MaxRequests int64 `json:"maxRequests"`
}

// Logging says where a proxy logs.
type Logging struct {
	// AccessLog is one line per request or connection.
	AccessLog *AccessLog `json:"accessLog,omitempty"`
}

// AccessLog says where and how a proxy writes its access log.
type AccessLog struct {
	// File to write to.
	File *FileAccessLog `json:"file,omitempty"`
}

// FileAccessLog is an access log in a file of the proxy's container.
type FileAccessLog struct {
	// Path of the file; /dev/stdout sends it to the container's log.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Path string `json:"path"`
	// Format of a line; Envoy's own if absent.
	Format *LoggingFormat `json:"format,omitempty"`
}

// LoggingFormat is the format of an access log: either text or json.
type LoggingFormat struct {
	// Text is a format string with Envoy's command operators.
	Text *string `json:"text,omitempty"`
	// JSON is the list of the keys of a JSON object per line.
	JSON []JSONFormatRef `json:"json,omitempty"`
}

// JSONFormatRef is one key of a JSON access log.
type JSONFormatRef struct {
	// Key in the JSON object.
	// +kubebuilder:validation:MinLength=1
	Key string `json:"key"`
	// Value is a format string with Envoy's command operators.
	// +kubebuilder:validation:MinLength=1
	Value string `json:"value"`
}
