package inject

import (
	"fmt"
	"strings"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// CNIMode is for which pods our CNI plugin redirects instead of an init container.
type CNIMode string

// The modes.
const (
	// CNIOff means that the plugin is on no node. The annotation appmeshCNI is for somebody else's then, as in App Mesh.
	CNIOff CNIMode = "off"
	// CNINeeded means that the plugin redirects the pods that ask for it, and those of namespaces whose Pod Security forbids
	// the init container.
	CNINeeded CNIMode = "needed"
	// CNIAlways means that the plugin redirects every pod that does not insist on the init container.
	CNIAlways CNIMode = "always"
)

var cniModes = []string{string(CNIOff), string(CNINeeded), string(CNIAlways)}

// Redirection is who leads the connections of a pod to its proxy.
type Redirection string

// Who it may be.
const (
	// ByInitContainer is our init container, which takes the capability NET_ADMIN.
	ByInitContainer Redirection = ""
	// ByPlugin is our CNI plugin, and the init container finds out whether it did.
	ByPlugin Redirection = "plugin"
	// ByOthers is somebody else's plugin, which reads the annotations that App Mesh wrote.
	ByOthers Redirection = "others"
)

// redirectionOf says who redirects a pod of a virtual node. Once a pod is injected, that is settled, whatever the settings
// became meanwhile.
func redirectionOf(pod *Pod, t Target, namespaceLabels map[string]string, mode CNIMode) Redirection {
	if carries(pod, t) {
		return settledRedirection(pod)
	}
	switch {
	case insists(pod, namespaceLabels):
		return ByInitContainer
	case pod.Metadata.Labels[appmeshv1beta2.LabelFargateProfile] != "":
		return ByOthers // our plugin is on nodes alone
	case mode == CNIAlways, mode == CNINeeded && (asksForCNI(pod, namespaceLabels) || forbidsNetAdmin(namespaceLabels)):
		return ByPlugin
	case mode != CNINeeded && asksForCNI(pod, namespaceLabels):
		return ByOthers
	}
	return ByInitContainer
}

func settledRedirection(pod *Pod) Redirection {
	_, verified := find(pod.Spec.InitContainers, containerProxyinit)
	by, _ := pod.annotation(sluice.AnnotationRedirectedBy)
	switch {
	case by == sluice.CNIPlugin:
		return ByPlugin
	case verified:
		return ByInitContainer
	}
	return ByOthers
}

// asksForCNI and insists read what the pod says, or else its namespace. A pod says something with any value.
func asksForCNI(pod *Pod, namespaceLabels map[string]string) bool {
	if v, said := pod.annotation(appmeshv1beta2.AnnotationAppMeshCNI); said {
		return strings.EqualFold(v, appmeshv1beta2.ValueEnabled)
	}
	return namespaceLabels[appmeshv1beta2.AnnotationAppMeshCNI] == appmeshv1beta2.ValueEnabled
}

func insists(pod *Pod, namespaceLabels map[string]string) bool {
	if v, said := pod.annotation(appmeshv1beta2.AnnotationAppMeshCNI); said {
		return !strings.EqualFold(v, appmeshv1beta2.ValueEnabled)
	}
	return namespaceLabels[appmeshv1beta2.AnnotationAppMeshCNI] == appmeshv1beta2.ValueDisabled
}

// labelPodSecurity is the Pod Security level that a namespace enforces. The default of a cluster, and who is exempt, are in a
// file of its API servers, which nobody outside can read.
const labelPodSecurity = "pod-security.kubernetes.io/enforce"

// forbidsNetAdmin says whether Pod Security refuses pods with our init container. What it refuses of that kind, it
// refuses at both levels: host folders, too.
func forbidsNetAdmin(namespaceLabels map[string]string) bool {
	level := namespaceLabels[labelPodSecurity]
	return level == "baseline" || level == "restricted"
}

// judgePodSecurity refuses a pod that Pod Security would refuse after us, with a sentence that says what to do. Where somebody
// insists, Pod Security has the word, because it may know an exemption.
func judgePodSecurity(pod *Pod, d Decision, namespaceLabels map[string]string, cfg Config) Decision {
	if !forbidsNetAdmin(namespaceLabels) {
		return d
	}
	forbids := fmt.Sprintf("namespace %s enforces Pod Security %q, which forbids", pod.Namespace, namespaceLabels[labelPodSecurity])
	if d.Target.Kind == KindVirtualNode && d.Target.Redirection == ByInitContainer {
		netAdmin := fmt.Sprintf("%s the capability NET_ADMIN of the init container %s", forbids, containerProxyinit)
		if !insists(pod, namespaceLabels) {
			return deny(ReasonPodSecurity, fmt.Sprintf("%s: install the CNI plugin %s (config/cni, docs/cni.md), which redirects without it, and set --cni=%s on the webhook. "+
				"If this pod is exempt, annotate it with %s: %s", netAdmin, sluice.CNIPlugin, CNINeeded, appmeshv1beta2.AnnotationAppMeshCNI, appmeshv1beta2.ValueDisabled))
		}
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s, and %s is %s: the pod will be refused unless it is exempt",
			netAdmin, appmeshv1beta2.AnnotationAppMeshCNI, appmeshv1beta2.ValueDisabled))
	}
	if hasSDS(pod, cfg) {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s the SDS socket of the node: the pod will be refused unless it is exempt, or opts out with the annotation %s: %s",
			forbids, appmeshv1beta2.AnnotationSDS, appmeshv1beta2.ValueDisabled))
	}
	return d
}
