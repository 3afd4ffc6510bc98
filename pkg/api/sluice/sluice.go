// Package sluice holds the names that Sluice itself adds to a cluster: labels, annotations, ports, file paths and
// object names that more than one of its processes must spell the same way.
// What App Mesh and Flagger named keeps its name and lives beside their types.
package sluice

// Labels and annotations on pods. The webhook writes them when it admits a pod; mesh trusts them because only
// the admission path can have set them (a pod's own values are overwritten).
const (
	// LabelProxy marks a pod whose Envoy is ours; its value is ProxyNode or ProxyGateway. mesh watches pods by it.
	LabelProxy = "sluice.dev/proxy"
	// AnnotationVirtualNode names the virtual node, in the pod's namespace, that the pod was bound to at creation.
	AnnotationVirtualNode = "sluice.dev/virtual-node"
	// AnnotationVirtualGateway names the virtual gateway, in the pod's namespace, that the pod was bound to at creation.
	AnnotationVirtualGateway = "sluice.dev/virtual-gateway"
	// AnnotationSidecarMode chooses the form of the sidecar: absent means a native sidecar, SidecarModeContainer the classic one.
	AnnotationSidecarMode = "sluice.dev/sidecar-mode"
	// AnnotationRedirect set to RedirectFirst runs proxyinit before the user's init containers, so that these are in the mesh too.
	AnnotationRedirect = "sluice.dev/redirect"
	// AnnotationRevision, on what the canary process creates, holds the hash of the pod template that was judged.
	AnnotationRevision = "sluice.dev/revision"

	// ProxyNode and ProxyGateway are the values of LabelProxy.
	ProxyNode    = "node"
	ProxyGateway = "gateway"
	// SidecarModeContainer is the value of AnnotationSidecarMode for an ordinary container.
	SidecarModeContainer = "container"
	// RedirectFirst is the value of AnnotationRedirect for redirection before every other init container.
	RedirectFirst = "first"
)

// Labels on namespaces.
const (
	// LabelCanaries is on the namespaces that hold Canaries, with the value CanariesPresent. canary writes it; the webhook
	// configurations select by it.
	LabelCanaries   = "sluice.dev/canaries"
	CanariesPresent = "present"
)

// Ports that are part of the contract with App Mesh's users (NetworkPolicies and dashboards name them) and our own.
const (
	// IngressPort receives redirected inbound connections in a sidecar.
	IngressPort = 15000
	// EgressPort receives redirected outbound connections in a sidecar.
	EgressPort = 15001
	// StatsPort serves GET /stats*, /ready and /server_info of Envoy, read-only.
	StatsPort = 9901
	// ProxyUID runs Envoy; its own traffic is not redirected.
	ProxyUID = 1337
	// XDSPort is the ADS port of the mesh process.
	XDSPort = 18000
	// PeerPort is where a replica of the mesh process answers other processes of ours.
	PeerPort = 18001
	// WebhookPort is the admission port of the webhook process.
	WebhookPort = 9443
	// MetricsPort serves /metrics of each of our processes.
	MetricsPort = 8080
	// HealthPort serves /healthz and /readyz of each of our processes.
	HealthPort = 8081
)

// What a sidecar finds in its pod. All files rotate without a restart, so none of their content is in the bootstrap.
const (
	// ProxyVolume is the projected volume of ProxyConfigMap and the pod's service-account token, mounted at ProxyDir.
	ProxyVolume = "sluice-proxy"
	// ProxyDir is where ProxyVolume is mounted in the envoy container.
	ProxyDir = "/var/run/sluice/proxy"
	// TokenFile is the projected service-account token, relative to ProxyDir.
	TokenFile = "token"
	// CAFile is the bundle that signs mesh's serving certificate, relative to ProxyDir; also the key in ProxyConfigMap.
	CAFile = "ca.crt"
	// CASecretFile is an SDS file that points Envoy at CAFile, relative to ProxyDir; also the key in ProxyConfigMap.
	CASecretFile = "ca.sds.yaml"
	// TokenSecretFile is an SDS file that points Envoy at TokenFile, relative to ProxyDir; also the key in ProxyConfigMap.
	TokenSecretFile = "token.sds.yaml"
	// CASecretName and TokenSecretName are the SDS resource names inside the two files.
	CASecretName    = "sluice_ca"
	TokenSecretName = "sluice_token"
	// AdminVolume is the emptyDir of Envoy's admin socket, mounted at AdminDir in the envoy container only.
	AdminVolume = "sluice-admin"
	// AdminDir is where AdminVolume is mounted.
	AdminDir = "/var/run/sluice/admin"
	// AdminSocket is the path of Envoy's admin Unix socket.
	AdminSocket = AdminDir + "/admin.sock"
	// SDSSocket is the usual Unix socket of a machine's secret discovery service, that of a SPIRE agent.
	SDSSocket = "/run/spire/sockets/agent.sock"
	// TokenAudience is the audience of the tokens that mesh accepts.
	TokenAudience = "sluice-mesh"
)

// Objects of an installation.
const (
	// SystemNamespace is the default namespace of our processes.
	SystemNamespace = "sluice-system"
	// ProxyConfigMap is kept by mesh in every namespace with injected pods: CA bundle and SDS files.
	ProxyConfigMap = "sluice-proxy"
	// WebhookService, MeshService and CanaryService are the Services of the three processes in the system namespace.
	WebhookService = "sluice-webhook"
	MeshService    = "sluice-mesh"
	CanaryService  = "sluice-canary"
	// AnnotationRotate on CASecret, with any value, asks for another authority now. It goes when the rotation has begun.
	AnnotationRotate = "sluice.dev/rotate"
	// MeshPeersService is the headless Service that lists the replicas of mesh.
	MeshPeersService = "sluice-mesh-peers"
	// CASecret holds our certificate authority: tls.crt and tls.key of the signer, ca.crt the bundle.
	CASecret = "sluice-ca"
	// WebhookTLSSecret, MeshTLSSecret and CanaryTLSSecret hold leaves (tls.crt, tls.key) and the bundle (ca.crt).
	WebhookTLSSecret = "sluice-webhook-tls"
	MeshTLSSecret    = "sluice-mesh-tls"
	CanaryTLSSecret  = "sluice-canary-tls"
	// ManagedBy is the value of app.kubernetes.io/managed-by, and the field manager, of what we write.
	ManagedBy = "sluice"
)
