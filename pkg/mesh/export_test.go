package mesh

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// AllOf gives the objects that ObjectsOf holds.
func AllOf(o Objects) map[ObjectRef]metav1.Object { return o.(*objects).byRef }

// ObjectsOf finds among the objects of a snapshot.
func ObjectsOf(s Snapshot) Objects {
	in := &objects{Snapshot: s, byRef: map[ObjectRef]metav1.Object{}, byName: map[[2]string][]metav1.Object{}, namespaces: map[string]*corev1.Namespace{}}
	add(in, KindMesh, s.Meshes)
	add(in, KindVirtualNode, s.VirtualNodes)
	add(in, KindVirtualService, s.VirtualServices)
	add(in, KindVirtualRouter, s.VirtualRouters)
	add(in, KindVirtualGateway, s.VirtualGateways)
	add(in, KindGatewayRoute, s.GatewayRoutes)
	add(in, KindBackendGroup, s.BackendGroups)
	for _, namespace := range s.Namespaces {
		in.namespaces[namespace.Name] = namespace
	}
	return in
}

type objects struct {
	Snapshot
	byRef      map[ObjectRef]metav1.Object
	byName     map[[2]string][]metav1.Object
	namespaces map[string]*corev1.Namespace
}

func add[O metav1.Object](in *objects, kind string, list []O) {
	for _, o := range list {
		in.byRef[refOf(kind, o)] = o
		in.byName[[2]string{kind, NameOf(o)}] = append(in.byName[[2]string{kind, NameOf(o)}], o)
	}
}

func (o *objects) Object(ref ObjectRef) metav1.Object      { return o.byRef[ref] }
func (o *objects) Named(kind, name string) []metav1.Object { return o.byName[[2]string{kind, name}] }
func (o *objects) Namespace(name string) *corev1.Namespace { return o.namespaces[name] }
func (o *objects) Meshes() []*appmeshv1beta2.Mesh          { return o.Snapshot.Meshes }
func (o *objects) VirtualGateways() []*appmeshv1beta2.VirtualGateway {
	return o.Snapshot.VirtualGateways
}
