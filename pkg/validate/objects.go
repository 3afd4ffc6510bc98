package validate

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// clusterObjects finds in a Cluster what the control plane's builder asks for.
type clusterObjects struct{ world World }

// Object implements mesh.Objects.
func (o clusterObjects) Object(ref mesh.ObjectRef) metav1.Object {
	return o.world.object(ref.Kind, ref.Namespace, ref.Name)
}

// Named implements mesh.Objects.
func (o clusterObjects) Named(kind, name string) []metav1.Object {
	return o.world.Cluster.Related(Relation{Kind: kind, by: spelled, to: name})
}

// Namespace implements mesh.Objects.
func (o clusterObjects) Namespace(name string) *corev1.Namespace {
	return find[corev1.Namespace](o.world, kindNamespace, everywhere, name)
}

// Meshes implements mesh.Objects.
func (o clusterObjects) Meshes() []*appmeshv1beta2.Mesh {
	return related[appmeshv1beta2.Mesh](o.world, kindMesh, inside, everywhere)
}

// VirtualGateways implements mesh.Objects.
func (o clusterObjects) VirtualGateways() []*appmeshv1beta2.VirtualGateway {
	return related[appmeshv1beta2.VirtualGateway](o.world, kindVirtualGateway, among, "")
}
