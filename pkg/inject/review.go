package inject

import (
	corev1 "k8s.io/api/core/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Remark is what is to be said about a pod that exists without a proxy of ours.
type Remark struct {
	// Reason and Message are why, as in a Decision.
	Reason  Reason
	Message string
	// Target is what the pod would be bound to, were it created now; zero if nothing.
	Target Target
	// Mistake tells that somebody has to do something about it.
	Mistake bool
}

// mistakes says which reasons are worth telling after the pod exists, and which of them are somebody's mistake. The rest are
// as their authors want it.
var mistakes = map[Reason]bool{
	ReasonNaked: true, ReasonNoMatch: true, ReasonManyVirtualNodes: true, ReasonManyVirtualGateways: true, ReasonNodeAndGateway: true,
	ReasonNoGatewayContainer: true,
	ReasonHostNetwork:        false, ReasonWindows: false,
}

// Review judges a pod that exists without a proxy of ours by what the webhook would do with it now; it is false where there
// is nothing to say. The pod may be one of PodOf.
func Review(pod *Pod, systemNamespace string, namespaceLabels map[string]string, index *Index) (Remark, bool) {
	if asked, _ := Asked(pod.Namespace, systemNamespace, namespaceLabels); !asked {
		return Remark{}, false
	}
	// With what can redirect anywhere: how the pod would be redirected is not the question.
	d := Decide(pod, namespaceLabels, index, Config{CNI: CNIAlways})
	out := Remark{Reason: d.Reason, Message: d.Message, Target: d.Target}
	if d.Inject {
		out.Reason, out.Message = ReasonNaked, ReasonNaked.Sentence()
	}
	mistake, told := mistakes[out.Reason]
	out.Mistake = mistake
	return out, told
}

// MayAsk says that Review could have something to say about the pod, depending on its namespace.
func MayAsk(pod *Pod) bool {
	_, mirror := pod.annotation(annotationMirror)
	return modeOf(pod, nil) != disabled && !mirror
}

// PodOf keeps of a pod what Decide reads: it cannot be patched.
func PodOf(pod *corev1.Pod) *Pod {
	out := &Pod{Namespace: pod.Namespace, Metadata: podMetadata{Name: pod.Name, GenerateName: pod.GenerateName, Labels: pod.Labels}}
	for _, key := range []string{
		appmeshv1beta2.AnnotationSidecarInjectorWebhook, annotationMirror, identityAnnotation(KindVirtualNode), identityAnnotation(KindVirtualGateway),
		appmeshv1beta2.AnnotationAppMeshCNI, sluice.AnnotationRedirectedBy,
	} {
		if value, ok := pod.Annotations[key]; ok {
			if out.Metadata.Annotations == nil {
				out.Metadata.Annotations = map[string]string{}
			}
			out.Metadata.Annotations[key] = value
		}
	}
	out.Spec.HostNetwork, out.Spec.NodeSelector = pod.Spec.HostNetwork, pod.Spec.NodeSelector
	if pod.Spec.OS != nil {
		out.Spec.OS.Name = string(pod.Spec.OS.Name)
	}
	out.Spec.InitContainers, out.Spec.Containers = namesOf(pod.Spec.InitContainers), namesOf(pod.Spec.Containers)
	for _, v := range pod.Spec.Volumes {
		out.Spec.Volumes = append(out.Spec.Volumes, named{Name: v.Name})
	}
	return out
}

func namesOf(list []corev1.Container) []container {
	var out []container
	for _, c := range list {
		out = append(out, container{Name: c.Name})
	}
	return out
}
