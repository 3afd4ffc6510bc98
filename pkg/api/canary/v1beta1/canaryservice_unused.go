package v1beta1

// The types in this file belong to meshes that we do not serve (Istio, the Gateway API). They are here so that
// manifests written for Flagger stay valid, and so that what we do not honour can be named in a warning.

// HTTPRewrite is Istio's rewrite of a request.
type HTTPRewrite struct {
	// URI that replaces the path or its prefix.
	URI string `json:"uri,omitempty"`
	// Authority that replaces the host.
	Authority string `json:"authority,omitempty"`
	// Type of rewrite of the Gateway API.
	Type string `json:"type,omitempty"`
}

// HTTPRequestMirrorFilter is the Gateway API's mirroring of requests.
type HTTPRequestMirrorFilter struct {
	// BackendRef gets the copies.
	BackendRef *BackendObjectReference `json:"backendRef,omitempty"`
}

// BackendObjectReference is the Gateway API's reference to a backend.
type BackendObjectReference struct {
	// Group of the backend; empty is the core group.
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Group *string `json:"group,omitempty"`
	// Kind of the backend.
	// +kubebuilder:default=Service
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`
	Kind *string `json:"kind,omitempty"`
	// Name of the backend.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the backend.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace *string `json:"namespace,omitempty"`
	// Port of the backend.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`
}

// ParentReference is the Gateway API's reference to a gateway.
type ParentReference struct {
	// Group of the gateway.
	// +kubebuilder:default=gateway.networking.k8s.io
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Group *string `json:"group,omitempty"`
	// Kind of the gateway.
	// +kubebuilder:default=Gateway
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`
	Kind *string `json:"kind,omitempty"`
	// Name of the gateway.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the gateway.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace *string `json:"namespace,omitempty"`
	// SectionName is the name of the gateway's listener.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SectionName *string `json:"sectionName,omitempty"`
	// Port of the gateway's listener.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`
}

// Headers is Istio's change of headers.
type Headers struct {
	// Request headers to change.
	Request *HeaderOperations `json:"request,omitempty"`
	// Response headers to change.
	Response *HeaderOperations `json:"response,omitempty"`
}

// HeaderOperations is a change of headers.
type HeaderOperations struct {
	// Set headers to these values.
	Set map[string]string `json:"set,omitempty"`
	// Add these values to the headers.
	Add map[string]string `json:"add,omitempty"`
	// Remove these headers.
	Remove []string `json:"remove,omitempty"`
}

// CorsPolicy is Istio's cross-origin policy.
type CorsPolicy struct {
	// AllowOrigin is the deprecated form of allowOrigins.
	AllowOrigin []string `json:"allowOrigin,omitempty"`
	// AllowOrigins that may call.
	AllowOrigins []StringMatch `json:"allowOrigins,omitempty"`
	// AllowMethods that may be called.
	AllowMethods []string `json:"allowMethods,omitempty"`
	// AllowHeaders that may be sent.
	AllowHeaders []string `json:"allowHeaders,omitempty"`
	// ExposeHeaders that scripts may read.
	ExposeHeaders []string `json:"exposeHeaders,omitempty"`
	// MaxAge of a preflight answer, as a Go duration.
	MaxAge string `json:"maxAge,omitempty"`
	// AllowCredentials lets cookies pass.
	AllowCredentials *bool `json:"allowCredentials,omitempty"`
}

// TrafficPolicy is Istio's policy for connections to a workload.
type TrafficPolicy struct {
	// ConnectionPool limits connections.
	ConnectionPool *ConnectionPoolSettings `json:"connectionPool,omitempty"`
	// LoadBalancer picks endpoints.
	LoadBalancer *LoadBalancerSettings `json:"loadBalancer,omitempty"`
	// OutlierDetection ejects endpoints.
	OutlierDetection *OutlierDetection `json:"outlierDetection,omitempty"`
	// TLS of connections.
	TLS *ClientTLSSettings `json:"tls,omitempty"`
}

// ConnectionPoolSettings is Istio's limit of connections.
type ConnectionPoolSettings struct {
	// HTTP limits.
	HTTP *HTTPSettings `json:"http,omitempty"`
}

// HTTPSettings is Istio's limit of HTTP connections.
type HTTPSettings struct {
	// HTTP1MaxPendingRequests is how many requests may wait.
	HTTP1MaxPendingRequests *int32 `json:"http1MaxPendingRequests,omitempty"`
	// HTTP2MaxRequests is how many requests may be in flight.
	HTTP2MaxRequests *int32 `json:"http2MaxRequests,omitempty"`
	// MaxRequestsPerConnection closes a connection after as many requests.
	MaxRequestsPerConnection *int32 `json:"maxRequestsPerConnection,omitempty"`
	// MaxRetries is how many retries may be in flight.
	MaxRetries *int32 `json:"maxRetries,omitempty"`
	// IdleTimeout closes a silent connection, as a Go duration.
	IdleTimeout string `json:"idleTimeout,omitempty"`
	// H2UpgradePolicy says whether HTTP/1.1 connections become HTTP/2.
	// +kubebuilder:validation:Enum=DEFAULT;DO_NOT_UPGRADE;UPGRADE
	H2UpgradePolicy string `json:"h2UpgradePolicy,omitempty"`
}

// LoadBalancerSettings is Istio's choice of endpoints.
type LoadBalancerSettings struct {
	// Simple algorithm.
	// +kubebuilder:validation:Enum=ROUND_ROBIN;LEAST_CONN;RANDOM;PASSTHROUGH;LEAST_REQUEST
	Simple string `json:"simple,omitempty"`
	// ConsistentHash algorithm.
	ConsistentHash *ConsistentHashLB `json:"consistentHash,omitempty"`
	// LocalityLBSetting prefers near endpoints.
	LocalityLBSetting *LocalityLoadBalancerSetting `json:"localityLbSetting,omitempty"`
	// WarmupDurationSecs gives new endpoints less traffic for a while, as a Go duration.
	WarmupDurationSecs string `json:"warmupDurationSecs,omitempty"`
}

// ConsistentHashLB is Istio's consistent hashing.
type ConsistentHashLB struct {
	// HTTPHeaderName to hash.
	HTTPHeaderName string `json:"httpHeaderName,omitempty"`
	// HTTPCookie to hash.
	HTTPCookie *HTTPCookie `json:"httpCookie,omitempty"`
	// HTTPQueryParameterName to hash.
	HTTPQueryParameterName string `json:"httpQueryParameterName,omitempty"`
	// UseSourceIP hashes the caller's address.
	UseSourceIP *bool `json:"useSourceIp,omitempty"`
	// MinimumRingSize is the least number of hash ring entries.
	MinimumRingSize *int64 `json:"minimumRingSize,omitempty"`
}

// HTTPCookie is a cookie to hash.
type HTTPCookie struct {
	// Name of the cookie.
	Name string `json:"name,omitempty"`
	// Path of the cookie.
	Path string `json:"path,omitempty"`
	// TTL of the cookie, as a Go duration.
	TTL string `json:"ttl,omitempty"`
}

// LocalityLoadBalancerSetting is Istio's preference for near endpoints.
type LocalityLoadBalancerSetting struct {
	// Enabled switches it on.
	Enabled *bool `json:"enabled,omitempty"`
	// Distribute spreads traffic over localities.
	Distribute []LocalityDistribute `json:"distribute,omitempty"`
	// Failover says where traffic goes when a locality fails.
	Failover []LocalityFailover `json:"failover,omitempty"`
}

// LocalityDistribute spreads the traffic of a locality.
type LocalityDistribute struct {
	// From is the locality of the caller.
	From string `json:"from,omitempty"`
	// To maps a locality to its share, in percent.
	To map[string]int64 `json:"to,omitempty"`
}

// LocalityFailover moves the traffic of a locality.
type LocalityFailover struct {
	// From is the locality that fails.
	From string `json:"from,omitempty"`
	// To is the locality that takes over.
	To string `json:"to,omitempty"`
}

// OutlierDetection is Istio's ejection of endpoints.
type OutlierDetection struct {
	// ConsecutiveErrors is the deprecated form of consecutiveGatewayErrors.
	ConsecutiveErrors *int32 `json:"consecutiveErrors,omitempty"`
	// Consecutive5xxErrors in a row eject an endpoint.
	Consecutive5xxErrors *int64 `json:"consecutive5xxErrors,omitempty"`
	// ConsecutiveGatewayErrors in a row eject an endpoint.
	ConsecutiveGatewayErrors *int32 `json:"consecutiveGatewayErrors,omitempty"`
	// ConsecutiveLocalOriginFailures in a row eject an endpoint.
	ConsecutiveLocalOriginFailures *int32 `json:"consecutiveLocalOriginFailures,omitempty"`
	// SplitExternalLocalOriginErrors counts local failures apart.
	SplitExternalLocalOriginErrors *bool `json:"splitExternalLocalOriginErrors,omitempty"`
	// Interval between sweeps, as a Go duration.
	Interval string `json:"interval,omitempty"`
	// BaseEjectionTime is how long the first ejection lasts, as a Go duration.
	BaseEjectionTime string `json:"baseEjectionTime,omitempty"`
	// MaxEjectionPercent is the share of endpoints that may be ejected, in percent.
	MaxEjectionPercent *int32 `json:"maxEjectionPercent,omitempty"`
	// MinHealthPercent is the share of healthy endpoints below which nothing is ejected, in percent.
	MinHealthPercent *int32 `json:"minHealthPercent,omitempty"`
}

// ClientTLSSettings is Istio's TLS of connections to a workload.
type ClientTLSSettings struct {
	// Mode of TLS.
	// +kubebuilder:validation:Enum=DISABLE;SIMPLE;MUTUAL;ISTIO_MUTUAL
	Mode string `json:"mode,omitempty"`
	// ClientCertificate is the path of the client's certificate.
	ClientCertificate string `json:"clientCertificate,omitempty"`
	// PrivateKey is the path of the client's key.
	PrivateKey string `json:"privateKey,omitempty"`
	// CACertificates is the path of the accepted authorities.
	CACertificates string `json:"caCertificates,omitempty"`
	// SubjectAltNames that are accepted.
	SubjectAltNames []string `json:"subjectAltNames,omitempty"`
	// SNI to send.
	SNI string `json:"sni,omitempty"`
}
