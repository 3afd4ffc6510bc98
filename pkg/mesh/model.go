package mesh

import (
	"fmt"
	"time"
)

// Model is the mesh as we serve it: what each proxy does, in the mesh's words. What several proxies share (services,
// clusters, endpoints) is held once and named by the others. Every list is sorted, so models can be compared and printed.
type Model struct {
	// IPv6 says that pods have IPv6 addresses: proxies of meshes without a preference then listen on those, too.
	IPv6 bool `json:"ipv6,omitempty"`
	// Nodes are the sidecars' configurations, sorted by ID.
	Nodes []Node `json:"nodes,omitempty"`
	// Gateways are the gateways' configurations, sorted by ID.
	Gateways []Gateway `json:"gateways,omitempty"`
	// Services are what callers can talk to, sorted by ID.
	Services []Service `json:"services,omitempty"`
	// Clusters are where requests end, sorted by Name.
	Clusters []Cluster `json:"clusters,omitempty"`
	// Endpoints are the addresses of the clusters that have a Service or Pods, sorted by Cluster. They live apart because
	// they change with every pod, while all the rest changes with somebody's decision.
	Endpoints []Endpoints `json:"endpoints,omitempty"`
	// Generations are those of the virtual routers that the model was built from, so that whoever wrote a weight can
	// find out who uses it. Objects that are not from a cluster have none.
	Generations Generations `json:"generations,omitempty"`
}

// Generations says which version of each object something was made from.
type Generations map[ObjectRef]Generation

// Generation is one version of the spec of one object.
type Generation struct {
	// UID tells the object from a later one of the same name, which counts from 1 again.
	UID string `json:"uid"`
	// Number is metadata.generation.
	Number int64 `json:"number"`
}

// Reaches says whether what has generation g of an object has the change that made it want. An object of another UID
// is another object.
func (g Generation) Reaches(want Generation) bool {
	return g.UID == want.UID && g.Number >= want.Number
}

// Node is the configuration of the sidecars of one virtual node.
type Node struct {
	ID ProxyID `json:"id"`
	// Mesh and Name are the names in the mesh (awsName), as they appear in the names of Envoy's objects.
	Mesh string `json:"mesh"`
	Name string `json:"name"`
	// Addresses is the address family that the mesh prefers.
	Addresses AddressFamily `json:"addresses,omitempty"`
	// AllowAll lets traffic to unknown destinations pass; otherwise it is refused.
	AllowAll bool `json:"allowAll,omitempty"`
	// AccessLog of all listeners, if any.
	AccessLog *AccessLog `json:"accessLog,omitempty"`
	// Ingress are the ports of the application, sorted by Port.
	Ingress []IngressPort `json:"ingress,omitempty"`
	// Egress are the ports of the backends, sorted by Port.
	Egress []EgressPort `json:"egress,omitempty"`
	// ClientTLS are the connections to clusters that differ from the cluster's TLS, sorted by Cluster.
	ClientTLS []ClusterTLS `json:"clientTLS,omitempty"`
}

// IngressPort is a port of the application behind a sidecar.
type IngressPort struct {
	Port     uint32   `json:"port"`
	Protocol Protocol `json:"protocol"`
	// Cluster is the application itself on this port.
	Cluster string `json:"cluster"`
	// Timeout of a request (0 is none) and Idle of a stream or connection.
	Timeout Duration `json:"timeout"`
	Idle    Duration `json:"idle"`
	// Limits of what the sidecar has open to the application, if any.
	Limits *Limits `json:"limits,omitempty"`
	// HealthPaths are where callers check the port's health, sorted. Checks are not traffic, and not counted as such.
	HealthPaths []string `json:"healthPaths,omitempty"`
	// TLS of the callers' connections; without it they are plain.
	TLS *ServerTLS `json:"tls,omitempty"`
}

// EgressPort is a port on which a node's application calls its backends. The destination address does not matter: the
// name in the request does, or, for TCP, nothing but the port.
type EgressPort struct {
	Port     uint32   `json:"port"`
	Protocol Protocol `json:"protocol"`
	// Hosts are sorted by Service. A TCP port has exactly one, without domains.
	Hosts []EgressHost `json:"hosts"`
}

// EgressHost says which names on a port mean which service. A domain appears once per port.
type EgressHost struct {
	Service ObjectRef `json:"service"`
	Domains []string  `json:"domains,omitempty"`
}

// Gateway is the configuration of the proxies of one virtual gateway.
type Gateway struct {
	ID ProxyID `json:"id"`
	// Mesh and Name are the names in the mesh (awsName).
	Mesh string `json:"mesh"`
	Name string `json:"name"`
	// Addresses is the address family that the mesh prefers.
	Addresses AddressFamily `json:"addresses,omitempty"`
	// AccessLog of all listeners, if any.
	AccessLog *AccessLog `json:"accessLog,omitempty"`
	// Listeners are sorted by Port.
	Listeners []GatewayListener `json:"listeners,omitempty"`
	// ClientTLS is like that of a Node.
	ClientTLS []ClusterTLS `json:"clientTLS,omitempty"`
}

// GatewayListener is a port on which a gateway takes traffic from outside.
type GatewayListener struct {
	Port     uint32   `json:"port"`
	Protocol Protocol `json:"protocol"`
	// Limits of what the gateway has open to each cluster that the listener leads to, if any.
	Limits *Limits `json:"limits,omitempty"`
	// TLS of the clients' connections; without it they are plain.
	TLS *ServerTLS `json:"tls,omitempty"`
	// Hosts are sorted by their first domain. Requests to other hosts get 404.
	Hosts []GatewayHost `json:"hosts,omitempty"`
}

// GatewayHost holds the routes of domains that have the same: *, *suffix or whole names, without a port, sorted. A
// domain appears once per listener.
type GatewayHost struct {
	Domains []string `json:"domains"`
	Routes  []Route  `json:"routes"`
}

// Service is a virtual service: a name and, per port, where its requests go.
type Service struct {
	ID ObjectRef `json:"id"`
	// Mesh and Name are the names in the mesh (awsName); Name is the host name that callers use.
	Mesh string `json:"mesh"`
	Name string `json:"name"`
	// Ports are sorted by Port.
	Ports   []ServicePort `json:"ports,omitempty"`
	Sources []ObjectRef   `json:"sources"`
}

// ServicePort is a port of a virtual service, that of its provider's listener.
type ServicePort struct {
	Port     uint32   `json:"port"`
	Protocol Protocol `json:"protocol"`
	// Routes are in the order in which they are tried. Without any, callers get 404.
	Routes []Route `json:"routes,omitempty"`
}

// Route says where the requests that match it go.
type Route struct {
	Name  string `json:"name"`
	Match Match  `json:"match,omitzero"`
	// Targets share the requests. Without any that has a weight, callers get 503.
	Targets []Target `json:"targets,omitempty"`
	// Mirror gets copies of the requests, if anybody does.
	Mirror *Mirror `json:"mirror,omitempty"`
	// RewritePath replaces the matched prefix, or the whole path if the match is exact or a regex; empty keeps it.
	RewritePath string `json:"rewritePath,omitempty"`
	// StripPath is taken off the start of the path; it excludes RewritePath.
	StripPath string `json:"stripPath,omitempty"`
	// RewriteHost replaces the host; empty keeps it.
	RewriteHost string `json:"rewriteHost,omitempty"`
	// Timeout of a request with all its retries (0 is none) and Idle of a stream or connection.
	Timeout Duration `json:"timeout"`
	Idle    Duration `json:"idle"`
	// Retry is absent if nothing is tried again.
	Retry   *Retry      `json:"retry,omitempty"`
	Sources []ObjectRef `json:"sources,omitempty"`
}

// Target is a cluster and its share. Weights are relative to the sum of their route; 0 is kept, it may rise next second.
type Target struct {
	Cluster string `json:"cluster"`
	Weight  uint32 `json:"weight"`
	// SetCookies are values of set-cookie that its answers get besides their own, in their order.
	SetCookies []string `json:"setCookies,omitempty"`
}

// Mirror is a cluster that gets copies, and of how many requests in percent. Its answers are dropped.
type Mirror struct {
	Cluster string `json:"cluster"`
	Percent uint32 `json:"percent"`
}

// Clusters are all to which requests of the route go, copies too.
func (r Route) Clusters() []string {
	out := make([]string, 0, len(r.Targets)+1)
	for _, t := range r.Targets {
		out = append(out, t.Cluster)
	}
	if r.Mirror != nil {
		out = append(out, r.Mirror.Cluster)
	}
	return out
}

// Match says which requests; all that is given must match. TCP routes have none.
type Match struct {
	// One of Prefix, Path and Regex is given. Regex matches the whole path, without the query.
	Prefix string `json:"prefix,omitempty"`
	Path   string `json:"path,omitempty"`
	Regex  string `json:"regex,omitempty"`
	// GRPC requires a gRPC call.
	GRPC    bool          `json:"grpc,omitempty"`
	Method  string        `json:"method,omitempty"`
	Scheme  string        `json:"scheme,omitempty"`
	Headers []HeaderMatch `json:"headers,omitempty"`
	Query   []QueryMatch  `json:"query,omitempty"`
}

// HeaderMatch is a condition on a header. Without any of its conditions the header must be present.
type HeaderMatch struct {
	Name   string      `json:"name"`
	Exact  string      `json:"exact,omitempty"`
	Prefix string      `json:"prefix,omitempty"`
	Suffix string      `json:"suffix,omitempty"`
	Regex  string      `json:"regex,omitempty"`
	Range  *MatchRange `json:"range,omitempty"`
	Invert bool        `json:"invert,omitempty"`
}

// MatchRange is a range of integers that does not contain End.
type MatchRange struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// QueryMatch is a condition on a query parameter; without Exact it must be present.
type QueryMatch struct {
	Name  string  `json:"name"`
	Exact *string `json:"exact,omitempty"`
}

// Retry says when and how often a request is tried again.
type Retry struct {
	// Attempts after the first.
	Attempts uint32 `json:"attempts"`
	// PerTry limits each attempt; 0 does not.
	PerTry Duration `json:"perTry,omitempty"`
	// On is sorted and without duplicates.
	On []RetryEvent `json:"events"`
}

// RetryEvent is an outcome after which a request may be tried again.
type RetryEvent string

// Retry events: those of App Mesh's API, and two that only its default policy has.
const (
	RetryServerError       RetryEvent = "server-error"
	RetryGatewayError      RetryEvent = "gateway-error"
	RetryClientError       RetryEvent = "client-error"
	RetryStreamError       RetryEvent = "stream-error"
	RetryConnectionError   RetryEvent = "connection-error"
	RetryCancelled         RetryEvent = "cancelled"
	RetryDeadlineExceeded  RetryEvent = "deadline-exceeded"
	RetryInternal          RetryEvent = "internal"
	RetryResourceExhausted RetryEvent = "resource-exhausted"
	RetryUnavailable       RetryEvent = "unavailable"
	// RetryReset is a connection that broke before any answer.
	RetryReset RetryEvent = "reset"
	// RetryServiceUnavailable is status 503.
	RetryServiceUnavailable RetryEvent = "service-unavailable"
)

// Cluster is a listener of a virtual node, as its callers see it. Exactly one of Service, Pods and DNS is set.
type Cluster struct {
	Name     string   `json:"name"`
	Port     uint32   `json:"port"`
	Protocol Protocol `json:"protocol"`
	// Addresses is the address family that the mesh prefers.
	Addresses AddressFamily `json:"addresses,omitempty"`
	// Service of the cluster whose endpoints are in Model.Endpoints.
	Service *ServiceRef `json:"service,omitempty"`
	// Pods names the virtual node by whose pods the endpoints in Model.Endpoints are found.
	Pods *ObjectRef `json:"pods,omitempty"`
	// DNS is a host name that each proxy resolves itself.
	DNS *DNS `json:"dns,omitempty"`
	// HealthCheck that each caller makes of every endpoint, if any.
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`
	// OutlierDetection is how each caller ejects endpoints, if at all.
	OutlierDetection *OutlierDetection `json:"outlierDetection,omitempty"`
	// TLS is how callers connect whose owner says nothing about it: as the listener wants it. Without it they connect plainly.
	TLS     *ClientTLS  `json:"tls,omitempty"`
	Sources []ObjectRef `json:"sources"`
}

// ServiceRef names a Service of Kubernetes.
type ServiceRef struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// DNS is a host name to resolve.
type DNS struct {
	// Hostname as it was written, with its trailing dot if it has one.
	Hostname string `json:"hostname"`
	// Endpoints means that every address is an endpoint; otherwise they are one load balancer's.
	Endpoints bool `json:"endpoints,omitempty"`
}

// Endpoints are the addresses behind a cluster. None is an answer too: nobody is ready.
type Endpoints struct {
	Cluster string `json:"cluster"`
	// Addresses are sorted.
	Addresses []Address `json:"addresses,omitempty"`
}

// Address is where one pod takes requests.
type Address struct {
	IP   string `json:"ip"`
	Port uint32 `json:"port"`
}

// AccessLog is a file that gets a line per request or connection.
type AccessLog struct {
	Path string `json:"path"`
	// Text or JSON is the format; Envoy's own if neither is given.
	Text string `json:"text,omitempty"`
	// JSON maps keys to values with Envoy's command operators.
	JSON map[string]string `json:"json,omitempty"`
}

// Protocol is what a port speaks.
type Protocol string

// Protocols of the mesh.
const (
	HTTP  Protocol = "http"
	HTTP2 Protocol = "http2"
	GRPC  Protocol = "grpc"
	TCP   Protocol = "tcp"
)

// IsHTTP says whether requests can be told apart.
func (p Protocol) IsHTTP() bool { return p != TCP }

// AddressFamily restricts addresses to one family; empty does not.
type AddressFamily string

// Address families.
const (
	IPv4 AddressFamily = "IPv4"
	IPv6 AddressFamily = "IPv6"
)

// Duration is a time.Duration that prints as one.
type Duration time.Duration

// MarshalText prints as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}
