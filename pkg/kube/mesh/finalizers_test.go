package mesh

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func gone(meta metav1.ObjectMeta) metav1.ObjectMeta {
	meta.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	return meta
}

func TestLeaving(t *testing.T) {
	const (
		members  = appmeshv1beta2.FinalizerMeshMembers
		routes   = appmeshv1beta2.FinalizerVirtualGatewayMembers
		inAWS    = appmeshv1beta2.FinalizerAWSAppMeshResources
		cloudMap = appmeshv1beta2.FinalizerAWSCloudMapResources
		foreign  = "example.com/mine"
	)
	meta := func(name string, finalizers ...string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "demo", Name: name, UID: "u", Finalizers: finalizers}
	}
	mesh1 := &appmeshv1beta2.Mesh{ObjectMeta: gone(metav1.ObjectMeta{Name: "m", UID: "u", Finalizers: []string{members, inAWS}})}
	ofMesh := &appmeshv1beta2.MeshReference{Name: "m"}
	gateway := &appmeshv1beta2.VirtualGateway{ObjectMeta: gone(meta("g", routes, foreign, inAWS))}
	route := &appmeshv1beta2.GatewayRoute{ObjectMeta: meta("r", inAWS), Spec: appmeshv1beta2.GatewayRouteSpec{
		VirtualGatewayRef: &appmeshv1beta2.VirtualGatewayReference{Name: "g"}}}
	leavingNode := &appmeshv1beta2.VirtualNode{ObjectMeta: gone(meta("n", inAWS, cloudMap)), Spec: appmeshv1beta2.VirtualNodeSpec{MeshRef: ofMesh}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}
	for name, c := range map[string]struct {
		s      mesh.Snapshot
		broken []*undecodable
		want   string
	}{
		"an object that stays keeps everything": {
			s: mesh.Snapshot{VirtualNodes: []*appmeshv1beta2.VirtualNode{{ObjectMeta: meta("n", inAWS)}}},
		},
		"one that goes loses what was about AWS": {
			s:    mesh.Snapshot{VirtualNodes: []*appmeshv1beta2.VirtualNode{leavingNode}},
			want: "release VirtualNode/demo/n []",
		},
		"others' finalizers stay, in order": {
			s:    mesh.Snapshot{VirtualNodes: []*appmeshv1beta2.VirtualNode{{ObjectMeta: gone(meta("n", "a.com/1", inAWS, foreign))}}},
			want: "release VirtualNode/demo/n [a.com/1 example.com/mine]",
		},
		"nothing of ours to do where only others hold": {
			s: mesh.Snapshot{VirtualNodes: []*appmeshv1beta2.VirtualNode{{ObjectMeta: gone(meta("n", foreign))}}},
		},
		"a mesh without members goes": {
			s:    mesh.Snapshot{Meshes: []*appmeshv1beta2.Mesh{mesh1}},
			want: "release Mesh//m []",
		},
		"a mesh with members waits": {
			s: mesh.Snapshot{Meshes: []*appmeshv1beta2.Mesh{mesh1}, VirtualServices: []*appmeshv1beta2.VirtualService{
				{ObjectMeta: meta("s"), Spec: appmeshv1beta2.VirtualServiceSpec{MeshRef: ofMesh}}}},
			want: "wait Mesh//m: metadata.finalizers: Forbidden: objects belong to this mesh exists, please delete them to proceed. " +
				"virtualService: 1, virtualRouter: 0, virtualNode: 0, virtualGateway: 0, gatewayRoute: 0 (VirtualService/demo/s)",
		},
		"a mesh does not wait for members that go themselves": {
			s:    mesh.Snapshot{Meshes: []*appmeshv1beta2.Mesh{mesh1}, VirtualNodes: []*appmeshv1beta2.VirtualNode{leavingNode}},
			want: "release Mesh//m [], release VirtualNode/demo/n []",
		},
		"a mesh that nothing holds for its members does not wait": {
			s: mesh.Snapshot{
				Meshes:          []*appmeshv1beta2.Mesh{{ObjectMeta: gone(metav1.ObjectMeta{Name: "m", Finalizers: []string{inAWS}})}},
				VirtualServices: []*appmeshv1beta2.VirtualService{{ObjectMeta: meta("s"), Spec: appmeshv1beta2.VirtualServiceSpec{MeshRef: ofMesh}}}},
			want: "release Mesh//m []",
		},
		"a gateway with a route waits": {
			s: mesh.Snapshot{VirtualGateways: []*appmeshv1beta2.VirtualGateway{gateway}, GatewayRoutes: []*appmeshv1beta2.GatewayRoute{route},
				Namespaces: []*corev1.Namespace{namespace}},
			want: "wait VirtualGateway/demo/g: metadata.finalizers: Forbidden: objects belonging to this virtualGateway exist, please delete them to proceed. gatewayRoute: 1 (GatewayRoute/demo/r)",
		},
		"a gateway goes with its namespace": {
			s: mesh.Snapshot{VirtualGateways: []*appmeshv1beta2.VirtualGateway{gateway}, GatewayRoutes: []*appmeshv1beta2.GatewayRoute{route},
				Namespaces: []*corev1.Namespace{{ObjectMeta: gone(namespace.ObjectMeta)}}},
			want: "release VirtualGateway/demo/g [example.com/mine]",
		},
		"an object that cannot be read goes too": {
			broken: []*undecodable{{ObjectMeta: gone(meta("bad", inAWS)), kind: "VirtualRouter"}},
			want:   "release VirtualRouter/demo/bad []",
		},
	} {
		t.Run(name, func(t *testing.T) {
			releases, waiting := leaving(c.s, c.broken)
			var got []string
			for _, r := range releases {
				got = append(got, fmt.Sprintf("release %s %v", r.ObjectRef, r.keep))
			}
			for _, p := range waiting {
				got = append(got, fmt.Sprintf("wait %s: %s", p.ObjectRef, p.problem().Err))
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestReleasePatch(t *testing.T) {
	patch, err := release{identity: identity{uid: "u"}, have: []string{"a", "b"}, keep: []string{"b"}}.patch()
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/metadata/finalizers","value":["a","b"]},{"op":"replace","path":"/metadata/finalizers","value":["b"]}]`
	if string(patch) != want {
		t.Errorf("got %s", patch)
	}
}
