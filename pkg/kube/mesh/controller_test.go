package mesh

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}

// recorder is a Publisher that remembers.
type recorder struct {
	mu    sync.Mutex
	last  map[mesh.ProxyID]*xds.Resources
	count int
}

func (r *recorder) Publish(_ *mesh.Model, all map[mesh.ProxyID]*xds.Resources) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.count = all, r.count+1
	return nil
}

func (r *recorder) has(id mesh.ProxyID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.last[id]
	return ok
}

// world is a running controller and the cluster it sees, with one mesh that selects one namespace.
type world struct {
	t          *testing.T
	config     *rest.Config
	kube       kubernetes.Interface
	dynamic    dynamic.Interface
	namespace  string
	published  *recorder
	controller *Controller
	refusals   *refusals
	registry   *prometheus.Registry

	mu     sync.Mutex
	bundle []byte
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, config: realkube.Start(t)}
	w.connect()
	label := strings.ToLower(t.Name())
	w.namespace = realkube.Namespace(t, w.config, map[string]string{"mesh": label})
	w.apply("meshes", `{kind: Mesh, metadata: {name: NAMESPACE}, spec: {awsName: NAMESPACE, namespaceSelector: {matchLabels: {mesh: `+label+`}}}}`)
	w.run()
	return w
}

func (w *world) connect() {
	w.published, w.refusals, w.bundle = &recorder{}, &refusals{}, []byte("bundle one")
	w.kube, w.dynamic = kubernetes.NewForConfigOrDie(w.config), dynamic.NewForConfigOrDie(w.config)
}

// run starts the controller, until the test ends.
func (w *world) run() {
	t := w.t
	t.Helper()
	var metrics prometheus.Registerer
	if w.registry != nil {
		metrics = w.registry
	}
	c, err := New(Config{
		REST: asMesh(t, w.config), ClusterDomain: "cluster.local",
		Namespace: sluice.SystemNamespace, LeaseName: sluice.MeshService, Identity: t.Name(),
		Bundle:    func() ([]byte, error) { w.mu.Lock(); defer w.mu.Unlock(); return bytes.Clone(w.bundle), nil },
		Publisher: w.published, Proxies: w.refusals, Metrics: metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.controller = c
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	until(t, "ready", c.Ready)
}

func (w *world) resource(plural string) dynamic.ResourceInterface {
	r := w.dynamic.Resource(meshResource("Mesh").GroupVersion().WithResource(plural))
	if plural == "meshes" {
		return r
	}
	return r.Namespace(w.namespace)
}

// apply creates an object from YAML in which NAMESPACE and MESHUID are filled in.
func (w *world) apply(plural, text string) {
	w.t.Helper()
	text = strings.ReplaceAll(text, "NAMESPACE", w.namespace)
	if strings.Contains(text, "MESHUID") {
		m, err := w.resource("meshes").Get(context.Background(), w.namespace, metav1.GetOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "MESHUID", string(m.GetUID()))
	}
	body, err := yaml.YAMLToJSON([]byte("{apiVersion: appmesh.k8s.aws/v1beta2, " + text[1:]))
	if err != nil {
		w.t.Fatal(err)
	}
	var u unstructured.Unstructured
	if err := json.Unmarshal(body, &u.Object); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.resource(plural).Create(context.Background(), &u, metav1.CreateOptions{}); err != nil {
		w.t.Fatalf("create %s: %v", u.GetName(), err)
	}
}

func (w *world) node(name string) string {
	return `{kind: VirtualNode, metadata: {name: ` + name + `, namespace: NAMESPACE}, spec: {
		awsName: ` + name + `_NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, podSelector: {matchLabels: {app: ` + name + `}},
		listeners: [{portMapping: {port: 8080, protocol: http}}],
		serviceDiscovery: {dns: {hostname: ` + name + `.NAMESPACE.svc.cluster.local}}}}`
}

func (w *world) proxy(name string) mesh.ProxyID {
	return mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: w.namespace, Name: name}
}

// condition returns one condition of an object as the cluster has it, and the object's resource version.
func (w *world) condition(plural, name, kind string) (map[string]any, string) {
	w.t.Helper()
	u, err := w.resource(plural).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range list {
		if c := c.(map[string]any); c["type"] == kind {
			return c, u.GetResourceVersion()
		}
	}
	return nil, u.GetResourceVersion()
}

func TestObjectsBecomeConfigurationAndConditions(t *testing.T) {
	w := newWorld(t)
	w.apply("virtualnodes", w.node("web"))
	until(t, "web is published", func() bool { return w.published.has(w.proxy("web")) })
	until(t, "web is active", func() bool {
		c, _ := w.condition("virtualnodes", "web", "VirtualNodeActive")
		return c["status"] == "True" && c["reason"] != nil
	})

	// What is written once is not written again, and what others wrote stays.
	if _, err := w.resource("virtualnodes").Patch(context.Background(), "web", types.MergePatchType,
		[]byte(`{"status": {"virtualNodeARN": "arn:aws:appmesh:eu-west-1:1:mesh/m/virtualNode/web"}}`), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	_, version := w.condition("virtualnodes", "web", "VirtualNodeActive")
	w.apply("virtualnodes", w.node("api"))
	until(t, "api is active", func() bool {
		c, _ := w.condition("virtualnodes", "api", "VirtualNodeActive")
		return c["status"] == "True"
	})
	if _, now := w.condition("virtualnodes", "web", "VirtualNodeActive"); now != version {
		t.Errorf("web was written again although nothing about it changed")
	}
	u, _ := w.resource("virtualnodes").Get(context.Background(), "web", metav1.GetOptions{})
	if arn, _, _ := unstructured.NestedString(u.Object, "status", "virtualNodeARN"); arn == "" {
		t.Error("the ARN in the status is gone")
	}

	if err := w.resource("virtualnodes").Delete(context.Background(), "api", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "api is not published any more", func() bool { return !w.published.has(w.proxy("api")) })
	if !w.published.has(w.proxy("web")) {
		t.Error("web is gone too")
	}
}

func TestALastingProblemIsAnEventOnce(t *testing.T) {
	w := newWorld(t)
	w.apply("virtualservices", `{kind: VirtualService, metadata: {name: both, namespace: NAMESPACE}, spec: {
		awsName: both.NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID},
		provider: {virtualNode: {virtualNodeRef: {name: a}}, virtualRouter: {virtualRouterRef: {name: b}}}}}`)
	until(t, "the service is not active", func() bool {
		c, _ := w.condition("virtualservices", "both", "VirtualServiceActive")
		return c["status"] == "False" && c["message"] != ""
	})
	events := func() []corev1.Event {
		list, err := w.kube.CoreV1().Events(w.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	until(t, "an event", func() bool { return len(events()) > 0 })
	// Something else changes, and the problem is seen again by the next build.
	w.apply("virtualnodes", w.node("api"))
	until(t, "api is active", func() bool {
		c, _ := w.condition("virtualnodes", "api", "VirtualNodeActive")
		return c["status"] == "True"
	})
	if got := events(); len(got) != 1 || got[0].Count > 1 || got[0].Reason != "ReconcileError" || got[0].Type != "Warning" || got[0].InvolvedObject.Name != "both" {
		t.Errorf("got events %+v, want one ReconcileError about both", got)
	}
}

// An object may be older than our schema, or written past it. It must cost nobody but itself.
func TestAnUndecodableObjectBlocksNobody(t *testing.T) {
	w := newWorld(t)
	loosen(t, w.config, "virtualnodes.appmesh.k8s.aws")
	w.apply("virtualnodes", `{kind: VirtualNode, metadata: {name: bad, namespace: NAMESPACE}, spec: {listeners: none}}`)
	w.apply("virtualnodes", w.node("web"))
	until(t, "web is published", func() bool { return w.published.has(w.proxy("web")) })
	until(t, "bad says why", func() bool {
		c, _ := w.condition("virtualnodes", "bad", "VirtualNodeActive")
		return c["status"] == "False" && c["reason"] == reasonUndecodable
	})
}

// loosen takes the schema off a CRD until the test ends.
func loosen(t *testing.T, config *rest.Config, name string) {
	t.Helper()
	crds := apiextensions.NewForConfigOrDie(config).ApiextensionsV1().CustomResourceDefinitions()
	crd, err := crds.Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	keep, yes := crd.Spec.Versions[0].Schema.OpenAPIV3Schema, true
	set := func(schema *apiextensionsv1.JSONSchemaProps) {
		crd, err := crds.Get(context.Background(), name, metav1.GetOptions{})
		if err == nil {
			crd.Spec.Versions[0].Schema.OpenAPIV3Schema = schema
			_, err = crds.Update(context.Background(), crd, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Error(err)
		}
	}
	set(&apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &yes})
	t.Cleanup(func() { set(keep) })
	// The API server takes the new schema a moment later.
	until(t, "the schema is off", func() bool {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": "VirtualNode",
			"metadata": map[string]any{"name": "probe"}, "spec": map[string]any{"listeners": "none"},
		}}
		_, err := dynamic.NewForConfigOrDie(config).Resource(meshResource("VirtualNode")).Namespace("default").
			Create(context.Background(), u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err == nil
	})
}

func TestTheProxyConfigMapIsKept(t *testing.T) {
	w := newWorld(t)
	get := func() *corev1.ConfigMap {
		cm, err := w.kube.CoreV1().ConfigMaps(w.namespace).Get(context.Background(), sluice.ProxyConfigMap, metav1.GetOptions{})
		if err != nil {
			return &corev1.ConfigMap{}
		}
		return cm
	}
	until(t, "it is made", func() bool {
		return holds(get().Data, map[string]string{
			sluice.CAFile: "bundle one", sluice.CASecretFile: xds.CASecretYAML(), sluice.TokenSecretFile: xds.TokenSecretYAML(),
		})
	})
	_, err := w.kube.CoreV1().ConfigMaps(w.namespace).Patch(context.Background(), sluice.ProxyConfigMap, types.MergePatchType,
		[]byte(`{"data": {"ca.crt": "mine", "other": "stays"}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it is repaired", func() bool { return get().Data[sluice.CAFile] == "bundle one" && get().Data["other"] == "stays" })
	if err := w.kube.CoreV1().ConfigMaps(w.namespace).Delete(context.Background(), sluice.ProxyConfigMap, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "it is made again", func() bool { return get().Data[sluice.CAFile] == "bundle one" })
	w.mu.Lock()
	w.bundle = []byte("bundle two")
	w.mu.Unlock()
	until(t, "it follows the bundle", func() bool { return get().Data[sluice.CAFile] == "bundle two" })
}

// Every kind with a status has its condition, about the generation that it has.
func TestEveryKindHasItsCondition(t *testing.T) {
	w := newWorld(t)
	w.apply("virtualnodes", w.node("web"))
	w.apply("virtualrouters", `{kind: VirtualRouter, metadata: {name: web, namespace: NAMESPACE}, spec: {
		awsName: web_NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, listeners: [{portMapping: {port: 8080, protocol: http}}],
		routes: [{name: all, httpRoute: {match: {prefix: /}, action: {weightedTargets: [{virtualNodeRef: {name: web}, weight: 1}]}}}]}}`)
	w.apply("virtualservices", `{kind: VirtualService, metadata: {name: web, namespace: NAMESPACE}, spec: {
		awsName: web.NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, provider: {virtualRouter: {virtualRouterRef: {name: web}}}}}`)
	w.apply("virtualgateways", `{kind: VirtualGateway, metadata: {name: web, namespace: NAMESPACE}, spec: {
		awsName: web_NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, podSelector: {matchLabels: {app: edge}},
		namespaceSelector: {}, listeners: [{portMapping: {port: 8088, protocol: http}}]}}`)
	w.apply("gatewayroutes", `{kind: GatewayRoute, metadata: {name: web, namespace: NAMESPACE}, spec: {
		awsName: web_NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, virtualGatewayRef: {name: web, namespace: NAMESPACE, uid: u},
		httpRoute: {match: {prefix: /}, action: {target: {virtualService: {virtualServiceRef: {name: web}}}}}}}`)
	names := map[string]string{
		"Mesh": w.namespace, "VirtualNode": "web", "VirtualRouter": "web", "VirtualService": "web", "VirtualGateway": "web", "GatewayRoute": "web",
	}
	described := func(kind string) bool {
		u, err := w.resource(meshKinds[kind]).Get(context.Background(), names[kind], metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := w.condition(meshKinds[kind], names[kind], kind+"Active")
		observed, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
		return c["status"] == "True" && c["lastTransitionTime"] != nil && observed == u.GetGeneration()
	}
	for kind := range names {
		until(t, kind+" is described", func() bool { return described(kind) })
	}
	if _, err := w.resource("virtualnodes").Patch(context.Background(), "web", types.MergePatchType,
		[]byte(`{"spec": {"backends": []}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the next generation is described", func() bool { return described("VirtualNode") })
}
