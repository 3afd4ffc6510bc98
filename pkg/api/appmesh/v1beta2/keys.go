package v1beta2

// Finalizers that App Mesh's controller put on its objects. Clusters that lost that controller still carry them,
// and a delete hangs until somebody takes them off.
const (
	// FinalizerMeshMembers holds a Mesh until no other object belongs to it.
	FinalizerMeshMembers = "finalizers.appmesh.k8s.aws/mesh-members"
	// FinalizerVirtualGatewayMembers holds a VirtualGateway until no GatewayRoute belongs to it.
	FinalizerVirtualGatewayMembers = "finalizers.appmesh.k8s.aws/virtualgateway-members"
	// FinalizerAWSAppMeshResources held an object until its counterpart in AWS was deleted.
	FinalizerAWSAppMeshResources = "finalizers.appmesh.k8s.aws/aws-appmesh-resources"
	// FinalizerAWSCloudMapResources held a VirtualNode until its Cloud Map instances were deregistered.
	FinalizerAWSCloudMapResources = "finalizers.appmesh.k8s.aws/aws-cloudmap-resources"
)

// AnnotationPrefix starts every annotation and label key that App Mesh's injector reads or writes.
const AnnotationPrefix = "appmesh.k8s.aws/"

// AnnotationSidecarInjectorWebhook is a label of a namespace and an annotation of a pod, which overrides the
// namespace. Values are ValueEnabled and ValueDisabled in any case; anything else counts as absent.
const AnnotationSidecarInjectorWebhook = "appmesh.k8s.aws/sidecarInjectorWebhook"

// Values of the annotations that switch something on or off.
const (
	ValueEnabled  = "enabled"
	ValueDisabled = "disabled"
)

// Annotations of a pod that the injector reads.
const (
	// AnnotationCPURequest is the CPU request (a quantity) of the containers that are injected.
	AnnotationCPURequest = "appmesh.k8s.aws/cpuRequest"
	// AnnotationMemoryRequest is the memory request (a quantity) of the containers that are injected.
	AnnotationMemoryRequest = "appmesh.k8s.aws/memoryRequest"
	// AnnotationCPULimit is the CPU limit (a quantity) of the containers that are injected.
	AnnotationCPULimit = "appmesh.k8s.aws/cpuLimit"
	// AnnotationMemoryLimit is the memory limit (a quantity) of the containers that are injected.
	AnnotationMemoryLimit = "appmesh.k8s.aws/memoryLimit"
	// AnnotationAppMeshCNI set to "enabled" leaves redirection to a CNI plugin: no init container is injected.
	AnnotationAppMeshCNI = "appmesh.k8s.aws/appmeshCNI"
	// AnnotationPorts lists, separated by commas, the application ports whose inbound traffic is redirected;
	// without it these are the ports of the virtual node's listeners.
	AnnotationPorts = "appmesh.k8s.aws/ports"
	// AnnotationEgressIgnoredIPs lists, separated by commas, destination addresses that bypass Envoy.
	AnnotationEgressIgnoredIPs = "appmesh.k8s.aws/egressIgnoredIPs"
	// AnnotationEgressIgnoredPorts lists, separated by commas, destination ports that bypass Envoy.
	AnnotationEgressIgnoredPorts = "appmesh.k8s.aws/egressIgnoredPorts"
	// AnnotationIPv6 set to "disabled" leaves IPv6 traffic of the pod alone.
	AnnotationIPv6 = "appmesh.k8s.aws/ipv6"
	// AnnotationPreview set to "enabled" asked for App Mesh's preview channel.
	AnnotationPreview = "appmesh.k8s.aws/preview"
	// AnnotationSecretMounts mounts Secrets read-only in Envoy: "secret:/path,other:/path".
	AnnotationSecretMounts = "appmesh.k8s.aws/secretMounts"
	// AnnotationVolumeMounts mounts volumes of the pod read-only in Envoy: "volume:/path,other:/path".
	AnnotationVolumeMounts = "appmesh.k8s.aws/volumeMounts"
	// AnnotationSDS set to "disabled" keeps the SDS socket of the node out of the pod.
	AnnotationSDS = "appmesh.k8s.aws/sds"
	// AnnotationSidecarEnv adds environment variables to Envoy: "KEY=value, OTHER=value".
	AnnotationSidecarEnv = "appmesh.k8s.aws/sidecarEnv"
	// AnnotationSidecarEnvJSON adds environment variables to Envoy as JSON: [{"KEY":"value"}]. It wins over sidecarEnv.
	AnnotationSidecarEnvJSON = "appmesh.k8s.aws/sidecarEnvJson"
	// AnnotationXRayAgentConfigMount mounts one volume in the X-Ray container: "volume:/path".
	AnnotationXRayAgentConfigMount = "appmesh.k8s.aws/xrayAgentConfigMount"
	// AnnotationVirtualGatewaySkipImageOverride set to "enabled" keeps the image of a gateway pod's own envoy container.
	AnnotationVirtualGatewaySkipImageOverride = "appmesh.k8s.aws/virtualGatewaySkipImageOverride"
)

// Annotations of a pod that the injector writes for a CNI plugin.
const (
	// AnnotationProxyEgressPort is Envoy's port for redirected outbound connections.
	AnnotationProxyEgressPort = "appmesh.k8s.aws/proxyEgressPort"
	// AnnotationProxyIngressPort is Envoy's port for redirected inbound connections.
	AnnotationProxyIngressPort = "appmesh.k8s.aws/proxyIngressPort"
	// AnnotationIgnoredUID is the user id whose traffic is not redirected.
	AnnotationIgnoredUID = "appmesh.k8s.aws/ignoredUID"
)

// Annotations that manifests still carry and that the v1 controllers neither read nor wrote.
const (
	AnnotationMesh        = "appmesh.k8s.aws/mesh"
	AnnotationVirtualNode = "appmesh.k8s.aws/virtualNode"
)

// Annotations of a VirtualService that ask for a gateway route of its own; Flagger writes them from service.hosts.
const (
	// AnnotationGatewayExpose set to "true" exposes the virtual service on the gateway.
	AnnotationGatewayExpose = "gateway.appmesh.k8s.aws/expose"
	// AnnotationGatewayDomain lists, separated by commas, the host names; a trailing comma is usual.
	AnnotationGatewayDomain = "gateway.appmesh.k8s.aws/domain"
	// AnnotationGatewayTimeout is the request timeout as a Go duration.
	AnnotationGatewayTimeout = "gateway.appmesh.k8s.aws/timeout"
	// AnnotationGatewayRetries is the number of retries.
	AnnotationGatewayRetries = "gateway.appmesh.k8s.aws/retries"
)

const (
	// AnnotationCloudMapServiceARN on a VirtualNode kept the ARN of its Cloud Map service.
	AnnotationCloudMapServiceARN = "cloudMapServiceARN"
	// ConditionCloudMapHealthy is the readiness gate that App Mesh's injector added to pods behind Cloud Map.
	// Pods that still carry it stay not ready until somebody sets it.
	ConditionCloudMapHealthy = "conditions.appmesh.k8s.aws/aws-cloudmap-healthy"
	// LabelFargateProfile means, when not empty on a pod, that it runs on Fargate, where redirection is the platform's.
	LabelFargateProfile = "eks.amazonaws.com/fargate-profile"
)
