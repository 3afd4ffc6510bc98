package sluice

// ProbePort is where a sidecar takes the kubelet's HTTP and gRPC probes of application ports that are redirected.
const ProbePort = 15021

// AnnotationProbes set to ProbesKeep on a pod leaves its probes as they are.
const (
	AnnotationProbes = "sluice.dev/probes"
	ProbesKeep       = "keep"
)

// Probe is a probe of an application that its sidecar passes on.
type Probe struct {
	// Path is what the kubelet asks the sidecar for; empty for gRPC, whose path is always the same.
	Path string
	// Port of the application on the loopback interface.
	Port int32
	// Target is the path that the application is asked for, without a query.
	Target string
	// TLS says that the application speaks HTTPS, GRPC that it is asked by the gRPC health protocol.
	TLS, GRPC bool
}
