package mesh_test

import (
	"fmt"
	"testing"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// What a change costs before anything is sent: 1,000 virtual nodes, each with 10 backends behind routers.
const (
	benchNodes    = 1000
	benchBackends = 10
)

func BenchmarkBuild(b *testing.B) {
	s := largeSnapshot()
	b.ReportAllocs()
	for b.Loop() {
		mesh.Build(s)
	}
}

func BenchmarkBuildEndpoints(b *testing.B) {
	s := largeSnapshot()
	m, _ := mesh.Build(s)
	b.ReportAllocs()
	for b.Loop() {
		mesh.BuildEndpoints(s, m)
	}
}

// BenchmarkCheck is what admission of one object pays.
func BenchmarkCheck(b *testing.B) {
	s := largeSnapshot()
	around := mesh.ObjectsOf(s)
	b.ReportAllocs()
	for b.Loop() {
		mesh.Check(mesh.KindVirtualNode, s.VirtualNodes[0], around)
	}
}

func BenchmarkTranslateAll(b *testing.B) {
	m, _ := mesh.Build(largeSnapshot())
	b.ReportAllocs()
	for b.Loop() {
		for _, id := range m.Proxies() {
			r, err := xds.Translate(m, id)
			if err != nil {
				b.Fatal(err)
			}
			for _, url := range []string{resource.ListenerType, resource.RouteType, resource.ClusterType, resource.EndpointType} {
				r.Version(url)
			}
		}
	}
}

func largeSnapshot() mesh.Snapshot {
	s := mesh.Snapshot{
		Meshes:     []*appmeshv1beta2.Mesh{{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Spec: appmeshv1beta2.MeshSpec{NamespaceSelector: &metav1.LabelSelector{}}}},
		Namespaces: []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}},
	}
	ready, slash, port, portName := true, "/", int32(8080), "http"
	for i := range benchNodes {
		name := fmt.Sprintf("app-%04d", i)
		meta := metav1.ObjectMeta{Name: name, Namespace: "demo"}
		node := &appmeshv1beta2.VirtualNode{ObjectMeta: meta}
		node.Spec.Listeners = []appmeshv1beta2.Listener{{PortMapping: appmeshv1beta2.PortMapping{Port: 8080, Protocol: "http"}}}
		node.Spec.ServiceDiscovery = &appmeshv1beta2.ServiceDiscovery{DNS: &appmeshv1beta2.DNSServiceDiscovery{Hostname: name + ".demo.svc.cluster.local"}}
		for j := range benchBackends {
			node.Spec.Backends = append(node.Spec.Backends, appmeshv1beta2.Backend{VirtualService: appmeshv1beta2.VirtualServiceBackend{
				VirtualServiceRef: &appmeshv1beta2.VirtualServiceReference{Name: fmt.Sprintf("app-%04d", (i+j)%benchNodes)},
			}})
		}
		s.VirtualNodes = append(s.VirtualNodes, node)
		s.VirtualRouters = append(s.VirtualRouters, &appmeshv1beta2.VirtualRouter{ObjectMeta: meta, Spec: appmeshv1beta2.VirtualRouterSpec{
			Listeners: []appmeshv1beta2.VirtualRouterListener{{PortMapping: appmeshv1beta2.PortMapping{Port: 8080, Protocol: "http"}}},
			Routes: []appmeshv1beta2.Route{{Name: "r", HTTPRoute: &appmeshv1beta2.HTTPRoute{
				Match:  appmeshv1beta2.HTTPRouteMatch{Prefix: &slash},
				Action: appmeshv1beta2.HTTPRouteAction{WeightedTargets: []appmeshv1beta2.WeightedTarget{{VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: name}, Weight: 100}}},
			}}},
		}})
		s.VirtualServices = append(s.VirtualServices, &appmeshv1beta2.VirtualService{ObjectMeta: meta, Spec: appmeshv1beta2.VirtualServiceSpec{
			Provider: &appmeshv1beta2.VirtualServiceProvider{VirtualRouter: &appmeshv1beta2.VirtualRouterServiceProvider{VirtualRouterRef: &appmeshv1beta2.VirtualRouterReference{Name: name}}},
		}})
		s.Services = append(s.Services, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: portName, Port: port}},
		}})
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: name, Namespace: "demo", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
		}
		for k := range 10 {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{fmt.Sprintf("10.%d.%d.%d", k, i/256, i%256)}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
			})
		}
		s.EndpointSlices = append(s.EndpointSlices, slice)
	}
	return s
}
