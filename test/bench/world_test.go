package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/bench/fleet"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// The mesh that is measured: every node calls the released service and its next neighbours, so that a weight change
// concerns every proxy there is.
const (
	nodes        = 100
	neighbours   = 10
	podsPerSlice = 10
	port         = 8080
	released     = "web"
	routeName    = "all"
)

// world is a namespace of a real API server with that mesh in it.
type world struct {
	config    *rest.Config
	kube      kubernetes.Interface
	dynamic   dynamic.Interface
	namespace string
}

// writers is how many requests the set-up has under way at once.
const writers = 16

func newWorld(b *testing.B) *world {
	b.Helper()
	config := realkube.Start(b)
	namespace := realkube.Namespace(b, config, map[string]string{"mesh": "bench"})
	w := &world{
		config: config, kube: kubernetes.NewForConfigOrDie(config), dynamic: dynamic.NewForConfigOrDie(config), namespace: namespace,
	}
	w.create(b, "meshes", appmeshv1beta2.Mesh{
		TypeMeta: w.kind("Mesh"), ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Spec: appmeshv1beta2.MeshSpec{AWSName: &namespace, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
			corev1.LabelMetadataName: namespace,
		}}},
	})
	var group errgroup.Group
	group.SetLimit(writers)
	names := []string{released + "-primary", released + "-canary"}
	for i := range nodes {
		names = append(names, app(i))
	}
	for i, name := range names {
		group.Go(func() error { w.app(b, name, i); return nil })
	}
	w.service(b, released, released+"-primary", released+"-canary")
	_ = group.Wait()
	return w
}

func app(i int) string { return fmt.Sprintf("app-%03d", i%nodes) }

// app creates a virtual node with its Service and endpoints, and a virtual service of its name.
func (w *world) app(b *testing.B, name string, number int) {
	meta := metav1.ObjectMeta{Name: name, Namespace: w.namespace, Labels: map[string]string{"app": name}}
	node := appmeshv1beta2.VirtualNode{TypeMeta: w.kind("VirtualNode"), ObjectMeta: meta}
	node.Spec.Listeners = []appmeshv1beta2.Listener{{PortMapping: appmeshv1beta2.PortMapping{Port: port, Protocol: "http"}}}
	node.Spec.ServiceDiscovery = &appmeshv1beta2.ServiceDiscovery{DNS: &appmeshv1beta2.DNSServiceDiscovery{Hostname: name + "." + w.namespace + ".svc.cluster.local"}}
	for _, backend := range w.backends(number) {
		node.Spec.Backends = append(node.Spec.Backends, appmeshv1beta2.Backend{VirtualService: appmeshv1beta2.VirtualServiceBackend{
			VirtualServiceRef: &appmeshv1beta2.VirtualServiceReference{Name: backend},
		}})
	}
	w.create(b, "virtualnodes", node)
	w.service(b, name, name)
	ctx := context.Background()
	if _, err := w.kube.CoreV1().Services(w.namespace).Create(ctx, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Selector: meta.Labels, Ports: []corev1.ServicePort{{Name: "http", Port: port}},
	}}, metav1.CreateOptions{}); err != nil {
		b.Error(err)
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Namespace: w.namespace, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To[int32](port)}},
	}
	for i := range podsPerSlice {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{fmt.Sprintf("10.1.%d.%d", number, i+1)}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		})
	}
	if _, err := w.kube.DiscoveryV1().EndpointSlices(w.namespace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
		b.Error(err)
	}
}

func (w *world) backends(number int) []string {
	out := []string{released}
	for i := range neighbours {
		out = append(out, app(number+i))
	}
	return out
}

// service creates a virtual service behind a router of the same name; the first target has all the weight.
func (w *world) service(b *testing.B, name string, targets ...string) {
	meta := metav1.ObjectMeta{Name: name, Namespace: w.namespace}
	route := appmeshv1beta2.Route{Name: routeName, HTTPRoute: &appmeshv1beta2.HTTPRoute{Match: appmeshv1beta2.HTTPRouteMatch{Prefix: ptr.To("/")}}}
	for i, target := range targets {
		weight := int64(0)
		if i == 0 {
			weight = 100
		}
		route.HTTPRoute.Action.WeightedTargets = append(route.HTTPRoute.Action.WeightedTargets, appmeshv1beta2.WeightedTarget{
			VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: target}, Weight: weight,
		})
	}
	w.create(b, "virtualrouters", appmeshv1beta2.VirtualRouter{TypeMeta: w.kind("VirtualRouter"), ObjectMeta: meta, Spec: appmeshv1beta2.VirtualRouterSpec{
		Listeners: []appmeshv1beta2.VirtualRouterListener{{PortMapping: appmeshv1beta2.PortMapping{Port: port, Protocol: "http"}}},
		Routes:    []appmeshv1beta2.Route{route},
	}})
	w.create(b, "virtualservices", appmeshv1beta2.VirtualService{TypeMeta: w.kind("VirtualService"), ObjectMeta: meta, Spec: appmeshv1beta2.VirtualServiceSpec{
		AWSName: ptr.To(name + "." + w.namespace + ".svc.cluster.local"),
		Provider: &appmeshv1beta2.VirtualServiceProvider{VirtualRouter: &appmeshv1beta2.VirtualRouterServiceProvider{
			VirtualRouterRef: &appmeshv1beta2.VirtualRouterReference{Name: name},
		}},
	}})
}

func (w *world) kind(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: appmeshv1beta2.GroupVersion.String(), Kind: kind}
}

func (w *world) create(b *testing.B, plural string, object any) {
	text, err := json.Marshal(object)
	if err != nil {
		b.Fatal(err)
	}
	out := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &out.Object); err != nil {
		b.Fatal(err)
	}
	unstructured.RemoveNestedField(out.Object, "status")
	var client dynamic.ResourceInterface = w.dynamic.Resource(appmeshv1beta2.GroupVersion.WithResource(plural))
	if out.GetNamespace() != "" {
		client = w.dynamic.Resource(appmeshv1beta2.GroupVersion.WithResource(plural)).Namespace(out.GetNamespace())
	}
	if _, err := client.Create(context.Background(), out, metav1.CreateOptions{}); err != nil {
		b.Errorf("create %s %s: %v", plural, out.GetName(), err)
	}
}

// pods creates injected pods, spread over the nodes, each with a token that the API server issued to it.
func (w *world) pods(b *testing.B, count int) []fleet.Pod {
	b.Helper()
	ctx := context.Background()
	if _, err := w.kube.CoreV1().ServiceAccounts(w.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app"}}, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	out := make([]fleet.Pod, count)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range count {
		group.Go(func() (err error) {
			out[i], err = w.pod(ctx, fmt.Sprintf("%s-%05d", app(i), i), app(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return out
}

func (w *world) pod(ctx context.Context, name, node string) (fleet.Pod, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{sluice.LabelProxy: sluice.ProxyNode},
			Annotations: map[string]string{sluice.AnnotationVirtualNode: node},
		},
		Spec: corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
	if _, err := w.kube.CoreV1().Pods(w.namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return fleet.Pod{}, err
	}
	token, err := w.kube.CoreV1().ServiceAccounts(w.namespace).CreateToken(ctx, "app", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences:      []string{sluice.TokenAudience},
			BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: name},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fleet.Pod{}, err
	}
	return fleet.Pod{Namespace: w.namespace, Name: name, Token: token.Status.Token}, nil
}
