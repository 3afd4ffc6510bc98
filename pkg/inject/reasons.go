package inject

// Reason says why a pod was injected, left alone or refused. The same word is the label of a metric, the reason of an
// event and the key of a sentence, so renaming one breaks dashboards.
type Reason string

// Reasons of a pod that is injected.
const (
	// ReasonInjected is the usual case: exactly one virtual node or gateway selects the pod.
	ReasonInjected Reason = "Injected"
)

// Reasons of a pod that is left alone.
const (
	// ReasonAlreadyInjected is a pod that went through injection before, as in a reinvocation.
	ReasonAlreadyInjected Reason = "AlreadyInjected"
	// ReasonDisabled is a pod, or its namespace, that opted out.
	ReasonDisabled Reason = "Disabled"
	// ReasonNotSelected is a pod that nothing selects where that is no mistake: neither it nor its namespace is enabled.
	ReasonNotSelected Reason = "NotSelected"
	// ReasonHostNetwork is a pod in the network of its node, whose redirection would hit the whole node.
	ReasonHostNetwork Reason = "HostNetwork"
	// ReasonMirrorPod is the image of a static pod, which the API server cannot change.
	ReasonMirrorPod Reason = "MirrorPod"
	// ReasonWindows is a pod for Windows nodes, where neither the proxy's image nor the redirection runs.
	ReasonWindows Reason = "Windows"
	// ReasonNoGatewayContainer is a pod of a virtual gateway without a container named envoy to configure.
	ReasonNoGatewayContainer Reason = "NoGatewayContainer"
)

// Reasons of a pod that the webhook is not even asked about.
const (
	// ReasonNotOptedIn is a pod of a namespace that says nothing about injection.
	ReasonNotOptedIn Reason = "NotOptedIn"
	// ReasonExcludedNamespace is a pod of a namespace that is never injected, whatever it says.
	ReasonExcludedNamespace Reason = "ExcludedNamespace"
)

// Reasons of a pod that is refused.
const (
	// ReasonNoMatch is a pod that asks for a proxy and that nothing selects.
	ReasonNoMatch Reason = "NoMatch"
	// ReasonManyVirtualNodes is a pod that several virtual nodes select.
	ReasonManyVirtualNodes Reason = "ManyVirtualNodes"
	// ReasonManyVirtualGateways is a pod that several virtual gateways select.
	ReasonManyVirtualGateways Reason = "ManyVirtualGateways"
	// ReasonNodeAndGateway is a pod that a virtual node and a virtual gateway select.
	ReasonNodeAndGateway Reason = "NodeAndGateway"
	// ReasonPodSecurity is a pod that Pod Security would refuse for the redirection that it would get.
	ReasonPodSecurity Reason = "PodSecurity"
	// ReasonBadAnnotation is a pod with an annotation that cannot be read; Patch says which.
	ReasonBadAnnotation Reason = "BadAnnotation"
)

// Reasons of a pod that exists without what the webhook would give it; Review says which.
const (
	// ReasonNaked is a pod without the proxy that it would get, were it created now.
	ReasonNaked Reason = "Naked"
)

var sentences = map[Reason]string{
	ReasonInjected:            "the proxy is added",
	ReasonAlreadyInjected:     "the pod already has its proxy",
	ReasonDisabled:            "injection is disabled for the pod or its namespace",
	ReasonNotSelected:         "no virtual node or gateway selects the pod, and neither it nor its namespace asks for a proxy",
	ReasonHostNetwork:         "the pod uses the network of its node, where redirection would affect every process",
	ReasonMirrorPod:           "the pod mirrors a static pod, which cannot be changed here",
	ReasonWindows:             "the pod runs on Windows, where the proxy does not",
	ReasonNoGatewayContainer:  "a virtual gateway selects the pod, but no container is named envoy",
	ReasonNotOptedIn:          "the namespace has no label appmesh.k8s.aws/sidecarInjectorWebhook, so the webhook is not asked; set it to enabled, or to disabled where single pods opt in by an annotation",
	ReasonExcludedNamespace:   "pods of this namespace never get a proxy, because the cluster or Sluice itself needs them",
	ReasonNoMatch:             "the pod asks for a proxy, but no virtual node or gateway selects it",
	ReasonManyVirtualNodes:    "more than one virtual node selects the pod",
	ReasonManyVirtualGateways: "more than one virtual gateway selects the pod",
	ReasonNodeAndGateway:      "a virtual node and a virtual gateway select the pod",
	ReasonPodSecurity:         "the namespace's Pod Security forbids the init container that redirects, and the CNI plugin that does without is not chosen",
	ReasonBadAnnotation:       "an annotation of the pod cannot be read",
	ReasonNaked:               "the pod runs without the proxy that it would get now, because the webhook did not see it: it did not answer, or the pod is older than what asks for the proxy",
}

// Sentence explains the reason to a person.
func (r Reason) Sentence() string { return sentences[r] }
