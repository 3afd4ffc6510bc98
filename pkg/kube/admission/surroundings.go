package admission

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// cachedObjects finds in the caches.
type cachedObjects struct{ *caches }

// Object implements mesh.Objects.
func (o cachedObjects) Object(ref mesh.ObjectRef) metav1.Object {
	return o.collections[ref.Kind].cached(ref.Namespace, ref.Name)
}

// Named implements mesh.Objects.
func (o cachedObjects) Named(kind, name string) []metav1.Object {
	var found []metav1.Object
	for _, object := range o.collections[kind].list() {
		if mesh.NameOf(object) == name {
			found = append(found, object)
		}
	}
	return found
}

// Namespace implements mesh.Objects.
func (o cachedObjects) Namespace(name string) *corev1.Namespace {
	labels, ok := o.namespaceLabels(name)
	if !ok {
		return nil
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

// Meshes implements mesh.Objects.
func (o cachedObjects) Meshes() []*appmeshv1beta2.Mesh { return o.meshes.all() }

// VirtualGateways implements mesh.Objects.
func (o cachedObjects) VirtualGateways() []*appmeshv1beta2.VirtualGateway { return o.gateways.all() }

// maxLive bounds how many objects are read on behalf of one request.
const maxLive = 50

// liveObjects asks the API server for what is named, each object once, and takes the cache's word where it gets no
// answer or has asked often enough. Lists, namespaces and what ARNs name are the cache's.
type liveObjects struct {
	cachedObjects
	ctx   context.Context
	known map[mesh.ObjectRef]metav1.Object
}

// Object implements mesh.Objects.
func (o *liveObjects) Object(ref mesh.ObjectRef) metav1.Object {
	if object, ok := o.known[ref]; ok {
		return object
	}
	if len(o.known) == maxLive {
		return o.cachedObjects.Object(ref)
	}
	object, err := o.collections[ref.Kind].read(o.ctx, ref.Namespace, ref.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		object = o.cachedObjects.Object(ref)
	}
	o.known[ref] = object
	return object
}
