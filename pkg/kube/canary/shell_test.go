package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// world is a namespace of a real API server, with a shell that looks after it on a clock that the test moves.
type world struct {
	t         *testing.T
	config    *rest.Config
	kube      kubernetes.Interface
	dynamic   dynamic.Interface
	namespace string
	clock     *clocktesting.FakeClock
	traffic   *traffic
	hooks     HookCaller
	metrics   MetricReader
	proxies   ProxyReader
	callers   CallerReader
	options   Options  // further ones
	watched   []string // namespaces besides its own
	registry  *prometheus.Registry
	log       *lockedBuffer
	requests  atomic.Int64 // of the shell, watches and events apart
	shells    int
	// maxRollouts is for the next shell.
	maxRollouts int
	weights     *recordedWeights
}

func newWorld(t *testing.T) *world {
	config := realkube.Start(t)
	w := &world{t: t, config: config, namespace: realkube.Namespace(t, config, inMesh), hooks: noHooks{}, log: &lockedBuffer{}}
	var err error
	if w.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if w.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	w.clock = clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	w.traffic = &traffic{now: w.clock.Now, pods: map[string]*counted{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the shells:\n%s", w.log)
		}
	})
	grant(t, w.kube)
	w.makeMesh()
	startControllers(t, w.kube, w.namespace)
	w.recordWeights()
	return w
}

// inMesh are the labels of a namespace whose pods get proxies in the mesh of the tests.
var inMesh = map[string]string{"mesh": "appmesh", "appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}

// makeMesh makes the mesh of the tests, once per API server.
func (w *world) makeMesh() {
	w.t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(`{apiVersion: appmesh.k8s.aws/v1beta2, kind: Mesh, metadata: {name: appmesh},
  spec: {namespaceSelector: {matchLabels: {mesh: appmesh}}}}`), &u.Object); err != nil {
		w.t.Fatal(err)
	}
	_, err := w.dynamic.Resource(meshes).Create(context.Background(), &u, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		w.t.Fatal(err)
	}
}

// start runs a shell until the function that it returns is called.
func (w *world) start() (stop func()) {
	w.t.Helper()
	w.shells++
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	config := rest.CopyConfig(w.config)
	config.Impersonate.UserName = restricted
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return counting{rt, &w.requests} })
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: clientgoscheme.Scheme, Cache: CacheOptions(append(w.watched, w.namespace)...), Client: ClientOptions(),
		Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.registry = prometheus.NewRegistry()
	o := w.options
	o.Log, o.Stats, o.Hooks, o.Metrics, o.Proxies = log, w.traffic, w.hooks, w.metrics, w.proxies
	o.Namespaces, o.TrackConfigs, o.Callers, o.MaxRollouts = append(w.watched, w.namespace), true, w.callers, w.maxRollouts
	o.Clock, o.Registry, o.Name = w.clock, w.registry, fmt.Sprintf("%s-%d", w.namespace, w.shells)
	if err := Add(ctx, mgr, o); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("shell: %v", err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

// until moves the clock, a second at a time, until ok. Real time passes only as long as the machine needs.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited too long until %s; the canary is %+v", what, w.canary().Status)
		}
		w.clock.Step(time.Second)
		time.Sleep(15 * time.Millisecond)
	}
}

// apply creates or patches an object of the namespace.
func (w *world) apply(resource schema.GroupVersionResource, text string) {
	w.t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		w.t.Fatal(err)
	}
	data, err := json.Marshal(u.Object)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = w.dynamic.Resource(resource).Namespace(w.namespace).Patch(context.Background(), u.GetName(), types.ApplyPatchType, data,
		metav1.PatchOptions{FieldManager: "kubectl", Force: ptrTo(true)})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(resource schema.GroupVersionResource, name string) *unstructured.Unstructured {
	u, err := w.dynamic.Resource(resource).Namespace(w.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return u
}

func (w *world) canary() *canaryv1beta1.Canary {
	w.t.Helper()
	u := w.get(canaries, "podinfo")
	if u == nil {
		w.t.Fatal("canary podinfo does not exist")
	}
	c := &canaryv1beta1.Canary{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) phase(p canaryv1beta1.CanaryPhase) func() bool {
	return func() bool { return w.canary().Status.Phase == p }
}

func (w *world) condition(kind canaryv1beta1.CanaryConditionType) *canaryv1beta1.CanaryCondition {
	for _, c := range w.canary().Status.Conditions {
		if c.Type == kind {
			return &c
		}
	}
	return nil
}

func (w *world) deployment(name string) *appsv1.Deployment {
	d, err := w.kube.AppsV1().Deployments(w.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return d
}

// setImage is a developer's new version.
func (w *world) setImage(image string) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"podinfo","image":%q}]}}}}`, image)
	_, err := w.kube.AppsV1().Deployments(w.namespace).Patch(context.Background(), "podinfo", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

// events are the texts of the canary's events, in the order of their creation.
func (w *world) events() []corev1.Event {
	w.t.Helper()
	list, err := w.kube.CoreV1().Events(w.namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []corev1.Event
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == "Canary" {
			out = append(out, e)
		}
	}
	return out
}

// told says how often an event with this text was recorded.
func (w *world) told(text string) int {
	n := 0
	for _, e := range w.events() {
		if strings.Contains(e.Message, text) {
			n += int(max(e.Count, 1))
		}
	}
	return n
}

// recordedWeights is the history of the canary's weight in the apex router.
type recordedWeights struct {
	mu    sync.Mutex
	seen  []int
	texts []string // with all that is not a share of everybody's requests
}

// all is the history from the moment when the target served alone. Where its pods are slow, a router is made before, and
// begins with the primary: nobody has anything to lose then.
func (r *recordedWeights) all() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) > 1 && r.seen[0] == 0 && r.seen[1] == 100 {
		return slices.Clone(r.seen[1:])
	}
	return slices.Clone(r.seen)
}

// last are the n newest. Those before the first rollout are callers that go to whichever of target and primary has a pod.
func (r *recordedWeights) last(n int) []int {
	all := r.all()
	return all[max(0, len(all)-n):]
}

func (w *world) recordWeights() {
	w.weights = &recordedWeights{}
	ctx, cancel := context.WithCancel(context.Background())
	events, err := w.dynamic.Resource(virtualRouters).Namespace(w.namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cancel)
	go func() {
		for e := range events.ResultChan() {
			u, ok := e.Object.(*unstructured.Unstructured)
			if !ok || u.GetName() != "podinfo" {
				continue
			}
			if weights := podinfoWeights(u); weights != nil {
				w.weights.add(*weights)
			}
		}
	}()
}

// podinfoWeights reads the router of the tests' Canary, which is named like its target.
func podinfoWeights(router *unstructured.Unstructured) *canary.Weights {
	c := &canaryv1beta1.Canary{}
	c.Spec.TargetRef.Name = "podinfo"
	if router != nil {
		c.Namespace = router.GetNamespace()
	}
	return weightsOf(c, router)
}

func (r *recordedWeights) add(weights canary.Weights) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := weights.String(); len(r.texts) == 0 || r.texts[len(r.texts)-1] != text {
		r.texts = append(r.texts, text)
	}
	if n := len(r.seen); n == 0 || r.seen[n-1] != weights.Canary {
		r.seen = append(r.seen, weights.Canary)
	}
}

// counting counts the requests that an idle shell must not make.
type counting struct {
	http.RoundTripper
	n *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") == "" && !strings.HasSuffix(r.URL.Path, "/events") {
		c.n.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// noHooks is for Canaries without webhooks.
type noHooks struct{}

func (noHooks) Call(context.Context, *canaryv1beta1.Canary, string, canaryv1beta1.CanaryWebhook) error {
	return nil
}

func (noHooks) Tell(context.Context, *canaryv1beta1.Canary, canaryv1beta1.CanaryWebhook, string, string, time.Time) error {
	return nil
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func ptrTo[T any](v T) *T { return &v }

var (
	canaries            = canaryv1beta1.GroupVersion.WithResource("canaries")
	virtualNodes        = schema.GroupVersionResource{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "virtualnodes"}
	virtualRouters      = schema.GroupVersionResource{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "virtualrouters"}
	meshes              = schema.GroupVersionResource{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "meshes"}
	virtualServices     = schema.GroupVersionResource{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "virtualservices"}
	deployments         = appsv1.SchemeGroupVersion.WithResource("deployments")
	daemonSets          = appsv1.SchemeGroupVersion.WithResource("daemonsets")
	secretResource      = corev1.SchemeGroupVersion.WithResource("secrets")
	configMaps          = corev1.SchemeGroupVersion.WithResource("configmaps")
	services            = corev1.SchemeGroupVersion.WithResource("services")
	hpas                = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	controllerRevisions = appsv1.SchemeGroupVersion.WithResource("controllerrevisions")
)
