package mesh

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// containerEnvoy is what both App Mesh and we call the proxy's container.
const containerEnvoy = "envoy"

// imageAppMesh is in the name of every image of App Mesh's own Envoy, which knows no control plane but that of AWS.
const imageAppMesh = "aws-appmesh-envoy"

// PodEnvoy is what a pod says about the Envoy in it.
type PodEnvoy struct {
	// Foreign means that the Envoy was not put there by us, so that it never asks us.
	Foreign bool
	// Proxy is what the pod was bound to, unless the Envoy is foreign.
	Proxy mesh.ProxyID
	// Note is a sentence: why it is foreign, or why it may well not be connected.
	Note string
}

// EnvoyOf looks for an Envoy in a pod; false if there is none, or if the pod has ended. It is pure.
func EnvoyOf(pod *corev1.Pod) (PodEnvoy, bool) {
	image, has := envoyImage(pod)
	injected := pod.Labels[sluice.LabelProxy] != ""
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case ended, !has && !injected:
		return PodEnvoy{}, false
	case strings.Contains(image, imageAppMesh):
		return PodEnvoy{Foreign: true, Note: "its image is App Mesh's (" + image + "), which asks AWS; restart the pod to have it replaced, and take it out of the pod template if it is there"}, true
	case !injected:
		return PodEnvoy{Foreign: true, Note: "it has a container " + containerEnvoy + " that Sluice did not inject (" + image + "); label the namespace for injection and restart the pod"}, true
	}
	id, err := BoundTo(&metav1.PartialObjectMetadata{ObjectMeta: pod.ObjectMeta})
	switch {
	case err != nil:
		return PodEnvoy{Note: err.Error()}, true
	case pod.DeletionTimestamp != nil:
		return PodEnvoy{Proxy: id, Note: "its pod is ending"}, true
	case pod.Status.Phase != corev1.PodRunning && pod.Status.Phase != "":
		return PodEnvoy{Proxy: id, Note: "its pod is " + string(pod.Status.Phase)}, true
	}
	return PodEnvoy{Proxy: id, Note: "no replica of mesh has a stream from it; see kubectl logs -c " + containerEnvoy}, true
}

func envoyImage(pod *corev1.Pod) (string, bool) {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == containerEnvoy {
			return c.Image, true
		}
	}
	return "", false
}
