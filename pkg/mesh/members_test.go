package mesh

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

func TestMembers(t *testing.T) {
	ofMesh := &appmeshv1beta2.MeshReference{Name: "m", UID: "of-a-mesh-that-is-gone"}
	elsewhere := "gateways"
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "demo", Name: name} }
	leaving := meta("leaving")
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	s := Snapshot{
		VirtualNodes: []*appmeshv1beta2.VirtualNode{
			{ObjectMeta: meta("b"), Spec: appmeshv1beta2.VirtualNodeSpec{MeshRef: ofMesh}},
			{ObjectMeta: meta("a"), Spec: appmeshv1beta2.VirtualNodeSpec{MeshRef: ofMesh}},
			{ObjectMeta: meta("other"), Spec: appmeshv1beta2.VirtualNodeSpec{MeshRef: &appmeshv1beta2.MeshReference{Name: "n"}}},
			{ObjectMeta: meta("none")},
			{ObjectMeta: leaving, Spec: appmeshv1beta2.VirtualNodeSpec{MeshRef: ofMesh}},
		},
		VirtualServices: []*appmeshv1beta2.VirtualService{{ObjectMeta: meta("s"), Spec: appmeshv1beta2.VirtualServiceSpec{MeshRef: ofMesh}}},
		VirtualRouters:  []*appmeshv1beta2.VirtualRouter{{ObjectMeta: meta("r"), Spec: appmeshv1beta2.VirtualRouterSpec{MeshRef: ofMesh}}},
		VirtualGateways: []*appmeshv1beta2.VirtualGateway{{ObjectMeta: meta("g"), Spec: appmeshv1beta2.VirtualGatewaySpec{MeshRef: ofMesh}}},
		GatewayRoutes: []*appmeshv1beta2.GatewayRoute{
			{ObjectMeta: meta("near"), Spec: appmeshv1beta2.GatewayRouteSpec{MeshRef: ofMesh, VirtualGatewayRef: &appmeshv1beta2.VirtualGatewayReference{Name: "g"}}},
			{ObjectMeta: meta("far"), Spec: appmeshv1beta2.GatewayRouteSpec{MeshRef: ofMesh, VirtualGatewayRef: &appmeshv1beta2.VirtualGatewayReference{Name: "g", Namespace: &elsewhere}}},
		},
	}
	for name, c := range map[string]struct {
		of             ObjectRef
		pending, named string
	}{
		"a mesh": {
			ObjectRef{Kind: KindMesh, Name: "m"},
			"objects belong to this mesh exists, please delete them to proceed. virtualService: 1, virtualRouter: 1, virtualNode: 2, virtualGateway: 1, gatewayRoute: 2",
			"VirtualService/demo/s, VirtualRouter/demo/r, VirtualNode/demo/a, VirtualNode/demo/b, VirtualGateway/demo/g, and 2 more",
		},
		"a gateway of the namespace": {
			ObjectRef{Kind: KindVirtualGateway, Namespace: "demo", Name: "g"},
			"objects belonging to this virtualGateway exist, please delete them to proceed. gatewayRoute: 1", "GatewayRoute/demo/near",
		},
		"a gateway of another namespace": {
			ObjectRef{Kind: KindVirtualGateway, Namespace: "gateways", Name: "g"},
			"objects belonging to this virtualGateway exist, please delete them to proceed. gatewayRoute: 1", "GatewayRoute/demo/far",
		},
	} {
		t.Run(name, func(t *testing.T) {
			members := MembersOf(c.of, s)
			if got := members.Pending(c.of); got != c.pending {
				t.Errorf("got %q", got)
			}
			if got := members.Named(); got != c.named {
				t.Errorf("got %q", got)
			}
		})
	}
	s.Namespaces = []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "demo", DeletionTimestamp: leaving.DeletionTimestamp}}}
	if members := MembersOf(ObjectRef{Kind: KindMesh, Name: "m"}, s); len(members) > 0 {
		t.Errorf("%v go with their namespace", members)
	}
	for _, of := range []ObjectRef{{Kind: KindMesh, Name: "empty"}, {Kind: KindVirtualNode, Namespace: "demo", Name: "a"}} {
		if members := MembersOf(of, s); len(members) > 0 || strings.Contains(members.Named(), "more") {
			t.Errorf("%s has members %v", of, members)
		}
	}
}
