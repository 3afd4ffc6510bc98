package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/bench/manyhands"
	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// How many Canaries there are, and in how many namespaces.
const (
	idle         = 300
	inProgress   = 1000
	perNamespace = 20
)

// BenchmarkCanaries is what Canaries cost the canary process: those that wait for a new version, and those that release
// one, judged at every interval and then by the continuous judge. An iteration is three seconds.
func BenchmarkCanaries(b *testing.B) {
	r := startReleases(b)
	r.add(b, 0, idle)
	r.quick(b, func() { r.await(b, idle, "Initialized") })
	b.Run(fmt.Sprintf("idle=%d", idle), func(b *testing.B) { r.measure(b, time.Minute) })
	r.add(b, idle, inProgress)
	r.quick(b, func() { r.await(b, inProgress, "Initialized") })
	b.Run(fmt.Sprintf("in-progress=%d", inProgress), func(b *testing.B) {
		r.measure(b, time.Minute, func() { r.release(b, inProgress) })
	})
	r.each(b, inProgress, func(ctx context.Context, namespace, name string) error {
		return r.patch(ctx, canaries, namespace, name, `{"spec":{"analysis":{"gate":{"mode":"Continuous"}}}}`)
	})
	b.Run(fmt.Sprintf("continuous=%d", inProgress), func(b *testing.B) { r.measure(b, time.Minute) })
}

var (
	canaries    = schema.GroupVersionResource{Group: "flagger.app", Version: "v1beta1", Resource: "canaries"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// releases is a real API server with Canaries in it, and a running mesh. What controllers and kubelets would do is done by
// package manyhands.
type releases struct {
	config  *rest.Config
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	prefix  string
	hands   *manyhands.Hands
	asked   *manyhands.Requests
	args    []string
}

func startReleases(b *testing.B) *releases {
	b.Helper()
	config := realkube.Start(b)
	prefix := realkube.Namespace(b, config, nil)
	r := &releases{config: config, kube: kubernetes.NewForConfigOrDie(config), dynamic: dynamic.NewForConfigOrDie(config), prefix: prefix}
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	var err error
	if r.hands, err = manyhands.Start(ctx, r.kube, filepath.Join("..", "..", "pkg", "envoy", "testdata", "stats.json")); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.hands.Stop)
	proxy, asked, err := manyhands.Count(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(proxy.Close)
	r.asked = asked
	dir := b.TempDir()
	issue(b, dir, prefix)
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", realenvoy.FreePort(b)) }
	startProcess(b, "mesh", "--kubeconfig", realkube.Kubeconfig(b, config), "--cert-dir", dir, "--namespace", prefix, "--identity", "bench",
		"--xds-address", address(), "--peer-address", fmt.Sprintf("127.0.0.1:%d", sluice.PeerPort), "--peers", "",
		"--health-address", address(), "--metrics-address", address(), "--debug-address", address())
	r.args = []string{
		"--kubeconfig", realkube.Kubeconfig(b, &rest.Config{Host: proxy.URL, TLSClientConfig: rest.TLSClientConfig{CAData: manyhands.Authority(proxy)}}),
		"--cert-dir", filepath.Join(dir, "canary"), "--lease-namespace", prefix, "--mesh-peers", "127.0.0.1",
		"--metrics-address", address(), "--health-address", address(),
	}
	r.create(b, "", appmeshv1beta2.GroupVersion.WithResource("meshes"), map[string]any{
		"apiVersion": appmeshv1beta2.GroupVersion.String(), "kind": "Mesh", "metadata": map[string]any{"name": prefix},
		"spec": map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"mesh": prefix}}},
	})
	return r
}

// of says where the Canary with this number is.
func (r *releases) of(i int) (namespace, name string) {
	return fmt.Sprintf("%s-%02d", r.prefix, i/perNamespace), fmt.Sprintf("app-%04d", i)
}

// each does something for the first Canaries, many at a time.
func (r *releases) each(b *testing.B, count int, do func(ctx context.Context, namespace, name string) error) {
	b.Helper()
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(writers)
	for i := range count {
		group.Go(func() error {
			namespace, name := r.of(i)
			return do(ctx, namespace, name)
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// add creates Canaries and their targets.
func (r *releases) add(b *testing.B, from, to int) {
	b.Helper()
	for i := from; i < to; i++ {
		namespace, name := r.of(i)
		if i%perNamespace == 0 {
			r.create(b, "", schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, map[string]any{
				"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace, "labels": map[string]any{"mesh": r.prefix, "appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}},
			})
		}
		r.create(b, namespace, deployments, map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name},
			"spec": map[string]any{
				"replicas": 1, "selector": map[string]any{"matchLabels": map[string]any{"app": name}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"app": name}},
					"spec": map[string]any{"containers": []any{map[string]any{
						"name": "app", "image": "registry.example.com/app:1", "ports": []any{map[string]any{"name": "http", "containerPort": 8080}},
					}}},
				},
			},
		})
		r.create(b, namespace, canaries, map[string]any{
			"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": map[string]any{"name": name},
			"spec": map[string]any{
				"provider": "appmesh:v1beta2", "targetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
				"progressDeadlineSeconds": 3600, "service": map[string]any{"port": 8080},
				"analysis": map[string]any{
					"interval": "1m", "threshold": 5, "stepWeight": 2, "maxWeight": 50,
					"metrics": []any{
						map[string]any{"name": "request-success-rate", "interval": "1m", "thresholdRange": map[string]any{"min": 99}},
						map[string]any{"name": "request-duration", "interval": "1m", "thresholdRange": map[string]any{"max": 500}},
					},
				},
			},
		})
	}
}

func (r *releases) create(b *testing.B, namespace string, resource schema.GroupVersionResource, object map[string]any) {
	b.Helper()
	var client dynamic.ResourceInterface = r.dynamic.Resource(resource)
	if namespace != "" {
		client = r.dynamic.Resource(resource).Namespace(namespace)
	}
	if _, err := client.Create(context.Background(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{}); err != nil {
		b.Fatalf("create %s: %v", resource.Resource, err)
	}
}

func (r *releases) patch(ctx context.Context, resource schema.GroupVersionResource, namespace, name, patch string) error {
	_, err := r.dynamic.Resource(resource).Namespace(namespace).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// release gives each target a new version and waits until all have traffic.
func (r *releases) release(b *testing.B, count int) {
	b.Helper()
	r.each(b, count, func(ctx context.Context, namespace, name string) error {
		return r.patch(ctx, deployments, namespace, name, `{"spec":{"template":{"metadata":{"annotations":{"version":"2"}}}}}`)
	})
	r.await(b, count, canaryv1beta1.CanaryPhaseProgressing)
}

// await waits until so many Canaries are in a phase, and have traffic if it is Progressing.
func (r *releases) await(b *testing.B, count int, phase canaryv1beta1.CanaryPhase) {
	b.Helper()
	there := 0
	for deadline := time.Now().Add(15 * time.Minute); there < count; time.Sleep(2 * time.Second) {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d Canaries are %s after fifteen minutes", there, count, phase)
		}
		list, err := r.dynamic.Resource(canaries).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			b.Fatal(err)
		}
		there = 0
		for _, c := range list.Items {
			now, _, _ := unstructured.NestedString(c.Object, "status", "phase")
			weight, _, _ := unstructured.NestedInt64(c.Object, "status", "canaryWeight")
			if now == string(phase) && (phase != canaryv1beta1.CanaryPhaseProgressing || weight > 0) {
				there++
			}
		}
	}
}

// quick runs a canary that may ask the API server as fast as it likes, and that no lost Lease ends, while do waits for what
// it sets up.
func (r *releases) quick(b *testing.B, do func()) {
	b.Helper()
	b.Run("set-up", func(b *testing.B) {
		startProcess(b, "canary", append(r.args, "--kubeconfig-qps", "2000", "--kubeconfig-burst", "2000", "--workers", "16", "--leader-elect=false")...)
		do()
		time.Sleep(5 * time.Second) // targets become idle after their Canaries are initialised
		b.ReportMetric(0, "ns/op")
	})
}

// measure runs canary as users do, first through do and as long as it takes to settle.
func (r *releases) measure(b *testing.B, settle time.Duration, do ...func()) {
	canary := startProcess(b, "canary", r.args...)
	for _, first := range do {
		first()
	}
	time.Sleep(settle)
	r.asked.Reset()
	read, before, start := r.hands.Read(), canary.cpu(b), time.Now()
	for b.Loop() {
		time.Sleep(3 * time.Second)
	}
	took, used := time.Since(start).Seconds(), canary.cpu(b)-before
	b.ReportMetric(used.Seconds()/took, "cores")
	b.ReportMetric(canary.memory(b)/(1<<20), "MiB")
	for what, n := range r.asked.Counts() {
		b.ReportMetric(float64(n)/took, what+"/s")
	}
	b.ReportMetric(float64(r.hands.Read()-read)/took, "polls/s")
	b.ReportMetric(0, "ns/op")
}
