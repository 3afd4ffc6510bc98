package validate

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func TestRemoval(t *testing.T) {
	s := mesh.Snapshot{VirtualNodes: []*appmeshv1beta2.VirtualNode{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "howto", Name: "red"},
		Spec:       appmeshv1beta2.VirtualNodeSpec{MeshRef: &appmeshv1beta2.MeshReference{Name: "howto"}},
	}}}
	for name, c := range map[string]struct{ mesh, want string }{
		"a mesh with a member": {"howto", "Denied: objects belong to this mesh exists, please delete them to proceed. " +
			"virtualService: 0, virtualRouter: 0, virtualNode: 1, virtualGateway: 0, gatewayRoute: 0 (VirtualNode/howto/red)\n"},
		"a mesh without": {"empty", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lines(Removal(mesh.ObjectRef{Kind: mesh.KindMesh, Name: c.mesh}, s, Policy{})); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
