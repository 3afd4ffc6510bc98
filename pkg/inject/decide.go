package inject

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Decision is what becomes of a pod.
type Decision struct {
	// Inject means that the pod is to be patched for Target.
	Inject bool
	// Deny means that the pod is to be refused with Message.
	Deny bool
	// Reason is why, Message the same in a sentence; texts of refusals are App Mesh's, word for word.
	Reason  Reason
	Message string
	// Target is what the pod is bound to, or was when it was injected before; zero if the pod is left alone. Patch with
	// a zero target only takes away an identity that the pod claims without having it.
	Target Target
	// Warnings are for the author of the pod.
	Warnings []string
}

// annotationMirror is on pods that the kubelet creates to show its static pods.
const annotationMirror = "kubernetes.io/config.mirror"

// mode is what a pod and its namespace ask for.
type mode int

const (
	unspecified mode = iota // inject if something selects the pod
	enabled                 // refuse the pod if nothing selects it
	disabled
)

// Decide follows App Mesh's membership rules: the pod's annotation overrides the namespace's label, exactly one virtual
// node or virtual gateway of the namespace may select the pod, and where the mode is "enabled" one must. What
// Pod Security would refuse for what we add is refused here, in words that say what to do.
func Decide(pod *Pod, namespaceLabels map[string]string, index *Index, cfg Config) Decision {
	m := modeOf(pod, namespaceLabels)
	if m == disabled {
		return skip(ReasonDisabled)
	}
	if reason, ok := unfit(pod); ok {
		return skip(reason)
	}
	nodes := index.Match(KindVirtualNode, pod.Namespace, pod.Metadata.Labels)
	gateways := index.Match(KindVirtualGateway, pod.Namespace, pod.Metadata.Labels)
	// A gateway may well bind ports of its node: nothing is redirected there.
	if pod.Spec.HostNetwork && len(gateways) == 0 {
		return skip(ReasonHostNetwork)
	}
	if d, bad := ambiguous(pod, nodes, gateways); bad {
		return d
	}
	for _, t := range append(nodes, gateways...) {
		// A candidate without a mesh is one that no mesh has claimed yet: as if it did not exist.
		if t.MeshName != "" {
			return bind(pod, t, namespaceLabels, cfg)
		}
	}
	if m == enabled {
		return deny(ReasonNoMatch, "sidecarInject enabled but no matching VirtualNode or VirtualGateway found")
	}
	return skip(ReasonNotSelected)
}

// Asked says whether the webhook is asked about pods of a namespace, as its namespaceSelector does; if not, why.
func Asked(namespace, systemNamespace string, labels map[string]string) (bool, Reason) {
	opted := labels[appmeshv1beta2.AnnotationSidecarInjectorWebhook]
	switch {
	case namespace == metav1.NamespaceSystem || namespace == systemNamespace:
		return false, ReasonExcludedNamespace
	case opted != appmeshv1beta2.ValueEnabled && opted != appmeshv1beta2.ValueDisabled:
		return false, ReasonNotOptedIn
	}
	return true, ""
}

func modeOf(pod *Pod, namespaceLabels map[string]string) mode {
	value := namespaceLabels[appmeshv1beta2.AnnotationSidecarInjectorWebhook]
	if v, ok := pod.annotation(appmeshv1beta2.AnnotationSidecarInjectorWebhook); ok {
		value = v
	}
	switch strings.ToLower(value) {
	case appmeshv1beta2.ValueEnabled:
		return enabled
	case appmeshv1beta2.ValueDisabled:
		return disabled
	}
	return unspecified
}

// unfit says why a pod cannot have a proxy at all, whoever asks for one.
func unfit(pod *Pod) (Reason, bool) {
	if _, ok := pod.annotation(annotationMirror); ok {
		return ReasonMirrorPod, true
	}
	if pod.Spec.OS.Name == "windows" || pod.Spec.NodeSelector["kubernetes.io/os"] == "windows" {
		return ReasonWindows, true
	}
	return "", false
}

func ambiguous(pod *Pod, nodes, gateways []Target) (Decision, bool) {
	switch {
	case len(nodes) > 1:
		return deny(ReasonManyVirtualNodes, fmt.Sprintf("found multiple matching VirtualNodes for pod %s: %s", pod, keys(nodes))), true
	case len(gateways) > 1:
		return deny(ReasonManyVirtualGateways, fmt.Sprintf("found multiple matching VirtualGateways for pod %s: %s", pod, keys(gateways))), true
	case len(nodes) == 1 && len(gateways) == 1:
		return deny(ReasonNodeAndGateway, fmt.Sprintf(
			"sidecarInject enabled for both virtualNode %s and virtualGateway %s on pod %s. Please use podSelector on one",
			nodes[0].Name, gateways[0].Name, pod.name())), true
	}
	return Decision{}, false
}

func bind(pod *Pod, t Target, namespaceLabels map[string]string, cfg Config) Decision {
	if t.Kind == KindVirtualGateway {
		if _, ok := find(pod.Spec.Containers, containerEnvoy); !ok {
			return skip(ReasonNoGatewayContainer)
		}
	} else {
		t.Redirection = redirectionOf(pod, t, namespaceLabels, cfg.CNI)
	}
	if carries(pod, t) {
		return skip(ReasonAlreadyInjected).with(t)
	}
	d := Decision{Inject: true, Reason: ReasonInjected, Message: ReasonInjected.Sentence(), Target: t}
	return judgePodSecurity(pod, d, namespaceLabels, cfg)
}

// carries says whether the pod has both the identity of the target and a container named envoy. A pod that claims
// another identity is injected again, which overwrites it.
func carries(pod *Pod, t Target) bool {
	if pod.Metadata.Labels[sluice.LabelProxy] != proxyLabel(t.Kind) || pod.Metadata.Annotations[identityAnnotation(t.Kind)] != t.Name {
		return false
	}
	_, inInit := find(pod.Spec.InitContainers, containerEnvoy)
	_, inMain := find(pod.Spec.Containers, containerEnvoy)
	return (inInit || inMain) && pod.hasVolume(sluice.ProxyVolume)
}

func (d Decision) with(t Target) Decision {
	d.Target = t
	return d
}

func skip(r Reason) Decision { return Decision{Reason: r, Message: r.Sentence()} }

func deny(r Reason, message string) Decision {
	return Decision{Deny: true, Reason: r, Message: message}
}

func keys(targets []Target) string {
	var list []string
	for _, t := range targets {
		list = append(list, t.key())
	}
	return strings.Join(list, ",")
}
