package mesh_test

import (
	"testing"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// shopSnapshot is a router over the nodes a and b, its caller, a gateway that exposes it, and a node that calls nobody.
func shopSnapshot(protocol appmeshv1beta2.PortProtocol, weight int64) mesh.Snapshot {
	s := webSnapshot()
	node := func(name string, backends ...string) *appmeshv1beta2.VirtualNode {
		v := s.VirtualNodes[0].DeepCopy()
		v.Name, v.Spec.Backends = name, nil
		v.Spec.Listeners[0].PortMapping.Protocol = protocol
		for _, backend := range backends {
			v.Spec.Backends = append(v.Spec.Backends, appmeshv1beta2.Backend{VirtualService: appmeshv1beta2.VirtualServiceBackend{
				VirtualServiceRef: &appmeshv1beta2.VirtualServiceReference{Name: backend},
			}})
		}
		return v
	}
	s.VirtualNodes = []*appmeshv1beta2.VirtualNode{node("a"), node("b"), node("caller", "shop"), node("bystander")}
	targets := []appmeshv1beta2.WeightedTarget{
		{VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: "a"}, Weight: 100 - weight},
		{VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: "b"}, Weight: weight},
	}
	slash := "/"
	route := appmeshv1beta2.Route{Name: "all", HTTPRoute: &appmeshv1beta2.HTTPRoute{
		Match: appmeshv1beta2.HTTPRouteMatch{Prefix: &slash}, Action: appmeshv1beta2.HTTPRouteAction{WeightedTargets: targets},
	}}
	if protocol == appmeshv1beta2.PortProtocolTCP {
		route = appmeshv1beta2.Route{Name: "all", TCPRoute: &appmeshv1beta2.TCPRoute{Action: appmeshv1beta2.TCPRouteAction{WeightedTargets: targets}}}
	}
	s.VirtualRouters = []*appmeshv1beta2.VirtualRouter{{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "demo", UID: "u", Generation: 7},
		Spec: appmeshv1beta2.VirtualRouterSpec{
			Listeners: []appmeshv1beta2.VirtualRouterListener{{PortMapping: appmeshv1beta2.PortMapping{Port: 8080, Protocol: protocol}}},
			Routes:    []appmeshv1beta2.Route{route},
		},
	}}
	s.VirtualServices = []*appmeshv1beta2.VirtualService{{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "demo", Annotations: map[string]string{appmeshv1beta2.AnnotationGatewayExpose: "true"}},
		Spec: appmeshv1beta2.VirtualServiceSpec{Provider: &appmeshv1beta2.VirtualServiceProvider{VirtualRouter: &appmeshv1beta2.VirtualRouterServiceProvider{
			VirtualRouterRef: &appmeshv1beta2.VirtualRouterReference{Name: "shop"},
		}}},
	}}
	s.VirtualGateways = []*appmeshv1beta2.VirtualGateway{{
		ObjectMeta: metav1.ObjectMeta{Name: "edge", Namespace: "demo"},
		Spec: appmeshv1beta2.VirtualGatewaySpec{Listeners: []appmeshv1beta2.VirtualGatewayListener{{
			PortMapping: appmeshv1beta2.VirtualGatewayPortMapping{Port: 80, Protocol: "http"},
		}}},
	}}
	return s
}

// TestAWeightMovesItsCallersOnly holds what a step of a release costs: the route tables of those that call the router
// (for TCP, where the listener holds the weights, the listener), and nothing of anybody else.
func TestAWeightMovesItsCallersOnly(t *testing.T) {
	for name, c := range map[string]struct {
		protocol appmeshv1beta2.PortProtocol
		want     map[string][]string
	}{
		"http": {"http", map[string][]string{"caller": {resource.RouteType}, "edge": {resource.RouteType}}},
		"tcp":  {"tcp", map[string][]string{"caller": {resource.ListenerType}}},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := mesh.Build(shopSnapshot(c.protocol, 5))
			after, _ := mesh.Build(shopSnapshot(c.protocol, 10))
			for _, id := range after.Proxies() {
				was, now := translate(t, before, id), translate(t, after, id)
				var changed []string
				for _, url := range []string{resource.ClusterType, resource.EndpointType, resource.ListenerType, resource.RouteType} {
					if was.Version(url) != now.Version(url) {
						changed = append(changed, url)
					}
				}
				if diff := cmp.Diff(c.want[id.Name], changed); diff != "" {
					t.Errorf("%s (-want +got):\n%s", id, diff)
				}
			}
		})
	}
}

// TestRoutersOfAProxy says whose acknowledgement a router's weights need.
func TestRoutersOfAProxy(t *testing.T) {
	m, _ := mesh.Build(shopSnapshot("http", 5))
	shop := mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: "demo", Name: "shop"}
	got := map[string][]mesh.ObjectRef{}
	for _, id := range m.Proxies() {
		got[id.Name] = translate(t, m, id).Routers
	}
	want := map[string][]mesh.ObjectRef{"caller": {shop}, "edge": {shop}, "a": nil, "b": nil, "bystander": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(mesh.Generations{shop: {UID: "u", Number: 7}}, m.Generations); diff != "" {
		t.Error(diff)
	}
}

// TestGenerationsAreReached holds when a change is in what was made from an object.
func TestGenerationsAreReached(t *testing.T) {
	for name, c := range map[string]struct {
		has, want mesh.Generation
		reached   bool
	}{
		"the same":                      {mesh.Generation{UID: "u", Number: 7}, mesh.Generation{UID: "u", Number: 7}, true},
		"a later one":                   {mesh.Generation{UID: "u", Number: 8}, mesh.Generation{UID: "u", Number: 7}, true},
		"an earlier one":                {mesh.Generation{UID: "u", Number: 6}, mesh.Generation{UID: "u", Number: 7}, false},
		"none":                          {mesh.Generation{}, mesh.Generation{UID: "u", Number: 1}, false},
		"a deleted object's, made anew": {mesh.Generation{UID: "old", Number: 9}, mesh.Generation{UID: "u", Number: 1}, false},
	} {
		if got := c.has.Reaches(c.want); got != c.reached {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
