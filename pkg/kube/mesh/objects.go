package mesh

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/pager"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Undecodable is an object that does not fit its type, and that a snapshot lacks for this reason.
type Undecodable struct {
	Object mesh.ObjectRef
	Err    error
}

// clusterKinds are the kinds of a snapshot that are not App Mesh's.
var clusterKinds = map[schema.GroupVersionKind]struct {
	plural string
	create func() metav1.Object
}{
	corev1.SchemeGroupVersion.WithKind("Namespace"):          {"namespaces", func() metav1.Object { return &corev1.Namespace{} }},
	corev1.SchemeGroupVersion.WithKind("Service"):            {"services", func() metav1.Object { return &corev1.Service{} }},
	discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"): {"endpointslices", func() metav1.Object { return &discoveryv1.EndpointSlice{} }},
	podKind: {"pods", func() metav1.Object { return &corev1.Pod{} }},
}

// podKind is the kind that only some snapshots need, of which there are the most objects.
var podKind = corev1.SchemeGroupVersion.WithKind("Pod")

// InSnapshot says whether a snapshot holds objects of a kind.
func InSnapshot(kind schema.GroupKind) bool {
	if kind.Group == appmeshv1beta2.GroupVersion.Group {
		return newObject[kind.Kind] != nil
	}
	for known := range clusterKinds {
		if known.GroupKind() == kind {
			return true
		}
	}
	return false
}

// List reads the objects that a snapshot is made of from the API server, in pages, as far as their kind is wanted. It is
// for those who want to know once; a Controller watches.
func List(ctx context.Context, client dynamic.Interface, wanted func(schema.GroupKind) bool) ([]*unstructured.Unstructured, error) {
	var resources []schema.GroupVersionResource
	for kind := range newObject {
		if wanted(appmeshv1beta2.Kind(kind)) {
			resources = append(resources, meshResource(kind))
		}
	}
	for kind, known := range clusterKinds {
		if kind != podKind && wanted(kind.GroupKind()) {
			resources = append(resources, kind.GroupVersion().WithResource(known.plural))
		}
	}
	var out []*unstructured.Unstructured
	for _, resource := range resources {
		objects, err := listAll(ctx, client, resource)
		if err != nil {
			return nil, err
		}
		out = append(out, objects...)
	}
	if s, _ := SnapshotOf(out); !wanted(podKind.GroupKind()) || !s.NeedsPods() {
		return out, nil
	}
	pods, err := listAll(ctx, client, corev1.SchemeGroupVersion.WithResource(clusterKinds[podKind].plural))
	return append(out, pods...), err
}

func listAll(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.Resource(resource).List(ctx, o)
	})
	err := pages.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		if u, ok := o.(*unstructured.Unstructured); ok {
			out = append(out, u)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", resource.GroupResource(), err)
	}
	return out, nil
}

// SnapshotOf makes a snapshot of objects that were listed, or read from files. It passes over kinds that no snapshot
// holds, and gives apart what does not decode. It is pure.
func SnapshotOf(objects []*unstructured.Unstructured) (mesh.Snapshot, []Undecodable) {
	var s mesh.Snapshot
	var broken []Undecodable
	for _, u := range objects {
		if !InSnapshot(u.GroupVersionKind().GroupKind()) {
			continue
		}
		o, err := typed(u)
		if err != nil {
			ref := mesh.ObjectRef{Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}
			broken = append(broken, Undecodable{Object: ref, Err: err})
			continue
		}
		s.Add(o)
	}
	return s, broken
}

// typed decodes an object of a kind that a snapshot holds.
func typed(u *unstructured.Unstructured) (any, error) {
	if known, ok := clusterKinds[u.GroupVersionKind()]; ok {
		o := known.create()
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o); err != nil {
			return nil, misfit(u, known.create(), err)
		}
		return o, nil
	}
	if u.GroupVersionKind().GroupVersion() != appmeshv1beta2.GroupVersion {
		return nil, fmt.Errorf("apiVersion %s of this kind is not served; convert the object to the version that is", u.GetAPIVersion())
	}
	o, err := decode(u)
	if broken, ok := o.(*undecodable); ok {
		return nil, broken.err
	}
	return o, err
}
