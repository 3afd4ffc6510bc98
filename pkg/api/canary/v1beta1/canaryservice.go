package v1beta1

import "k8s.io/apimachinery/pkg/util/intstr"

// CanaryService is how the workload is reached. The fields that Istio or the Gateway API would use are accepted,
// kept and not used; they are in canaryservice_unused.go.
type CanaryService struct {
	// Name of the apex service; that of the target if absent. Its primary and canary get -primary and -canary.
	Name string `json:"name,omitempty"`
	// Port of the services, 1 to 65535.
	Port Number `json:"port"`
	// PortName is the name of the port; http if absent. A name with grpc in it makes the listeners speak gRPC.
	PortName string `json:"portName,omitempty"`
	// AppProtocol of the port.
	AppProtocol string `json:"appProtocol,omitempty"`
	// TrafficDistribution of the services.
	// +kubebuilder:validation:Enum=PreferClose;PreferSameZone;PreferSameNode
	TrafficDistribution string `json:"trafficDistribution,omitempty"`
	// TargetPort is the number or the name of the container's port; the same number as port if absent.
	TargetPort *intstr.IntOrString `json:"targetPort,omitempty"`
	// PortDiscovery adds all ports of the target's containers to the services.
	PortDiscovery bool `json:"portDiscovery,omitempty"`
	// Headless makes the services headless.
	Headless bool `json:"headless,omitempty"`
	// Timeout of a request as a Go duration (15s); none if absent.
	Timeout string `json:"timeout,omitempty"`
	// BackendTimeout is accepted and not used.
	BackendTimeout string `json:"backendTimeout,omitempty"`
	// MeshName was the mesh of App Mesh v1beta1; a Mesh's namespaceSelector decides now.
	MeshName string `json:"meshName,omitempty"`
	// Backends are names of VirtualServices in the namespace, or ARNs, that the workload talks to.
	Backends []string `json:"backends,omitempty"`
	// Hosts under which the gateway exposes the workload.
	Hosts []string `json:"hosts,omitempty"`
	// Delegation is accepted and not used.
	Delegation bool `json:"delegation,omitempty"`
	// Match says which requests are routed; the first entry's uri.prefix is the route's prefix.
	Match []HTTPMatchRequest `json:"match,omitempty"`
	// Retries of failed requests.
	Retries *HTTPRetry `json:"retries,omitempty"`
	// Rewrite is accepted and not used.
	Rewrite *HTTPRewrite `json:"rewrite,omitempty"`
	// Mirror is accepted and not used.
	Mirror []HTTPRequestMirrorFilter `json:"mirror,omitempty"`
	// Headers is accepted and not used.
	Headers *Headers `json:"headers,omitempty"`
	// Gateways is accepted and not used.
	Gateways []string `json:"gateways,omitempty"`
	// GatewayRefs is accepted and not used.
	// +kubebuilder:validation:MaxItems=32
	GatewayRefs []ParentReference `json:"gatewayRefs,omitempty"`
	// CorsPolicy is accepted and not used.
	CorsPolicy *CorsPolicy `json:"corsPolicy,omitempty"`
	// TrafficPolicy is accepted and not used.
	TrafficPolicy *TrafficPolicy `json:"trafficPolicy,omitempty"`
	// Apex is metadata of the apex service.
	Apex *CustomMetadata `json:"apex,omitempty"`
	// Primary is metadata of the primary service.
	Primary *CustomMetadata `json:"primary,omitempty"`
	// Canary is metadata of the canary service.
	Canary *CustomMetadata `json:"canary,omitempty"`
	// UnmanagedMetadata lists keys on the services that belong to somebody else and are kept.
	UnmanagedMetadata *UnmanagedMetadata `json:"unmanagedMetadata,omitempty"`
}

// CustomMetadata is metadata for a generated object.
type CustomMetadata struct {
	// Labels of the object.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the object.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// UnmanagedMetadata lists keys of metadata that belong to somebody else.
type UnmanagedMetadata struct {
	// Annotations to keep, by key.
	Annotations []string `json:"annotations,omitempty"`
	// Labels to keep, by key.
	Labels []string `json:"labels,omitempty"`
}

// HTTPRetry says how failed requests are tried again.
type HTTPRetry struct {
	// Attempts is how many times a request is tried again.
	Attempts *int32 `json:"attempts,omitempty"`
	// PerTryTimeout is how long each try may take, as a Go duration; 250ms if absent.
	PerTryTimeout string `json:"perTryTimeout,omitempty"`
	// RetryOn lists, separated by commas, the outcomes after which a request is tried again; gateway-error if absent.
	RetryOn string `json:"retryOn,omitempty"`
}

// StringMatch matches a string: exactly one of its fields. It is Istio's, plus suffix. One type serves every place,
// so that suffix is admitted in more places than Flagger uses it in.
type StringMatch struct {
	// Exact value.
	Exact *string `json:"exact,omitempty"`
	// Prefix of the value.
	Prefix *string `json:"prefix,omitempty"`
	// Suffix of the value; for the headers of an A/B test only.
	Suffix *string `json:"suffix,omitempty"`
	// Regex that the whole value matches.
	Regex *string `json:"regex,omitempty"`
}

// HTTPMatchRequest matches requests; every field that is present must match. It is Istio's.
type HTTPMatchRequest struct {
	// Name of the match.
	Name string `json:"name,omitempty"`
	// URI of the request.
	URI *StringMatch `json:"uri,omitempty"`
	// Scheme of the request; accepted and not used.
	Scheme *StringMatch `json:"scheme,omitempty"`
	// Method of the request; accepted and not used.
	Method *StringMatch `json:"method,omitempty"`
	// Authority of the request; accepted and not used.
	Authority *StringMatch `json:"authority,omitempty"`
	// Headers of the request by name; accepted and not used.
	Headers map[string]StringMatch `json:"headers,omitempty"`
	// QueryParams of the request by name; accepted and not used.
	QueryParams map[string]StringMatch `json:"queryParams,omitempty"`
	// WithoutHeaders are headers that the request must not have; accepted and not used.
	WithoutHeaders map[string]StringMatch `json:"withoutHeaders,omitempty"`
	// Port of the request; accepted and not used.
	Port *int64 `json:"port,omitempty"`
	// SourceLabels of the caller's pods; accepted and not used.
	SourceLabels map[string]string `json:"sourceLabels,omitempty"`
	// SourceNamespace of the caller's pods; accepted and not used.
	SourceNamespace string `json:"sourceNamespace,omitempty"`
	// Gateways of the request; accepted and not used.
	Gateways []string `json:"gateways,omitempty"`
	// IgnoreURICase ignores the case of the URI; accepted and not used.
	IgnoreURICase bool `json:"ignoreUriCase,omitempty"`
}
