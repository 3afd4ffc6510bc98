package mesh

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// ProxyOf tells which configuration a pod gets: that of the virtual node or gateway it was bound to at admission. The
// cache may lag behind a pod that was just created, so what it does not have is asked of the API server.
func (c *Controller) ProxyOf(ctx context.Context, pod Pod) (mesh.ProxyID, error) {
	if meta, ok := c.sources.pod(pod.Namespace, pod.Name); ok && string(meta.UID) == pod.UID {
		return BoundTo(meta)
	}
	meta, err := c.pods.Namespace(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return mesh.ProxyID{}, fmt.Errorf("pod %s/%s does not exist", pod.Namespace, pod.Name)
	}
	if err != nil {
		return mesh.ProxyID{}, fmt.Errorf("get pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if string(meta.UID) != pod.UID {
		return mesh.ProxyID{}, fmt.Errorf("pod %s/%s was replaced by another of the same name", pod.Namespace, pod.Name)
	}
	return BoundTo(meta)
}

// BoundTo reads which configuration a pod was bound to at admission from its label and annotations. It is pure.
func BoundTo(pod *metav1.PartialObjectMetadata) (mesh.ProxyID, error) {
	node, gateway := pod.Annotations[sluice.AnnotationVirtualNode], pod.Annotations[sluice.AnnotationVirtualGateway]
	switch {
	case pod.Labels[sluice.LabelProxy] == "":
		return mesh.ProxyID{}, fmt.Errorf("pod %s/%s was not injected: it has no label %s", pod.Namespace, pod.Name, sluice.LabelProxy)
	case node != "" && gateway == "":
		return mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: pod.Namespace, Name: node}, nil
	case gateway != "" && node == "":
		return mesh.ProxyID{Kind: mesh.ProxyVirtualGateway, Namespace: pod.Namespace, Name: gateway}, nil
	}
	return mesh.ProxyID{}, fmt.Errorf("pod %s/%s must have one of the annotations %s and %s",
		pod.Namespace, pod.Name, sluice.AnnotationVirtualNode, sluice.AnnotationVirtualGateway)
}
