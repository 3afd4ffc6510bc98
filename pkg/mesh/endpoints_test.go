package mesh_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// TestPodsMoveEndpointsOnly holds what makes a rollout cheap: a pod that comes or goes changes endpoints, and no version
// of anything else.
func TestPodsMoveEndpointsOnly(t *testing.T) {
	ready := true
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "web-1", Namespace: "demo", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
	}
	s := webSnapshot()
	before, _ := mesh.Build(s)
	s.EndpointSlices = []*discoveryv1.EndpointSlice{slice}
	after, _ := mesh.Build(s)

	alone := *before
	alone.Endpoints = mesh.BuildEndpoints(s, before)
	if diff := cmp.Diff(after, &alone); diff != "" {
		t.Errorf("replacing the endpoints is not the same as building anew (-anew +replaced):\n%s", diff)
	}
	id := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}
	was, now := translate(t, before, id), translate(t, after, id)
	for _, url := range []string{resource.ListenerType, resource.RouteType, resource.ClusterType} {
		if was.Version(url) != now.Version(url) {
			t.Errorf("the version of %s changed with a pod", url)
		}
	}
	if was.Version(resource.EndpointType) == now.Version(resource.EndpointType) {
		t.Error("the version of the endpoints did not change with a pod")
	}
	if got := translate(t, after, id).Version(resource.EndpointType); got != now.Version(resource.EndpointType) {
		t.Error("equal endpoints have two versions")
	}
}

// TestTranslateKnowsItsProxies shows that an id that the model does not have is an error, and not an empty configuration.
func TestTranslateKnowsItsProxies(t *testing.T) {
	m, _ := mesh.Build(webSnapshot())
	_, err := xds.Translate(m, mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "gone"})
	if err == nil || err.Error() != "translate VirtualNode/demo/gone: the model has no such proxy" {
		t.Errorf("got %v", err)
	}
}

// TestNamesHoldThePorts ties the names of the listeners, which spell their ports, to the ports of the sidecar.
func TestNamesHoldThePorts(t *testing.T) {
	if want := mesh.GatewayListenerName(sluice.IngressPort); mesh.IngressListenerName != want {
		t.Errorf("the ingress listener is %s, and its port says %s", mesh.IngressListenerName, want)
	}
	if want := "lds_egress_0.0.0.0_15001"; mesh.EgressListenerName != want || sluice.EgressPort != 15001 {
		t.Errorf("the egress listener is %s on port %d, want %s", mesh.EgressListenerName, sluice.EgressPort, want)
	}
}

// TestEveryCaseIsTranslated finds golden files of this package that are nobody's input.
func TestEveryCaseIsTranslated(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.out.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	for _, path := range cases {
		if _, err := os.Stat(filepath.Join("..", "xds", path)); err != nil {
			t.Errorf("%v; run go test ./pkg/xds -run TestTranslate -update", err)
		}
	}
}

func webSnapshot() mesh.Snapshot {
	return mesh.Snapshot{
		Meshes:     []*appmeshv1beta2.Mesh{{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Spec: appmeshv1beta2.MeshSpec{NamespaceSelector: &metav1.LabelSelector{}}}},
		Namespaces: []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}},
		VirtualNodes: []*appmeshv1beta2.VirtualNode{{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "demo"},
			Spec: appmeshv1beta2.VirtualNodeSpec{
				Listeners:        []appmeshv1beta2.Listener{{PortMapping: appmeshv1beta2.PortMapping{Port: 8080, Protocol: "http"}}},
				ServiceDiscovery: &appmeshv1beta2.ServiceDiscovery{DNS: &appmeshv1beta2.DNSServiceDiscovery{Hostname: "web.demo.svc.cluster.local"}},
				Backends:         []appmeshv1beta2.Backend{{VirtualService: appmeshv1beta2.VirtualServiceBackend{VirtualServiceRef: &appmeshv1beta2.VirtualServiceReference{Name: "web"}}}},
			},
		}},
		VirtualServices: []*appmeshv1beta2.VirtualService{{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "demo"},
			Spec: appmeshv1beta2.VirtualServiceSpec{Provider: &appmeshv1beta2.VirtualServiceProvider{VirtualNode: &appmeshv1beta2.VirtualNodeServiceProvider{
				VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: "web"},
			}}},
		}},
		Services: []*corev1.Service{{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "demo"},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}},
		}},
	}
}

func translate(t *testing.T, m *mesh.Model, id mesh.ProxyID) *xds.Resources {
	t.Helper()
	r, err := xds.Translate(m, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
