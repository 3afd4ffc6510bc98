//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// burst is how many pods are created at once, directly, and how many through controllers.
const burst = 1000

// TestBurst: of 1,000 pods that people create at once, and of 1,000 that a Deployment and a Job do, none is refused and
// none misses its proxy. No node takes them, since what is tried is between whoever creates a pod and the pod.
func TestBurst(t *testing.T) {
	inFull(t)
	ctx := testContext(t, 10*time.Minute)
	crowd(t, ctx)
	t.Run("directly", func(t *testing.T) {
		measured := measureAdmission(t, ctx)
		took := createAtOnce(t, ctx, burst)
		t.Logf("%d pods by 100 clients in %s; from request to answer: half within %s, 99 %% within %s, the slowest %s", burst,
			took.all.Round(10*time.Millisecond), took.quantile(0.5), took.quantile(0.99), took.quantile(1))
		allInjected(t, ctx, "hand", burst)
		measured(t)
	})
	t.Run("by controllers", func(t *testing.T) {
		measured := measureAdmission(t, ctx)
		began := time.Now()
		_, err := cluster.RunInput(ctx, controllers, "apply", "-f", "-")
		must(t, err)
		allInjected(t, ctx, "controller", burst)
		t.Logf("%d pods by a Deployment and a Job in %s", burst, time.Since(began).Round(100*time.Millisecond))
		refused, err := cluster.Run(ctx, "-n", "crowd", "get", "events", "--field-selector", "reason=FailedCreate", "-o", "jsonpath={.items[*].message}")
		if must(t, err); refused != "" {
			t.Errorf("controllers were refused: %s", refused)
		}
		measured(t)
	})
}

// crowd is a namespace for many pods that no node takes.
func crowd(t *testing.T, ctx context.Context) {
	t.Helper()
	t.Cleanup(func() {
		must(t, kubectl(context.Background(), "delete", "namespace", "crowd", "--timeout=180s"))
		must(t, kubectl(context.Background(), "delete", "meshes.appmesh.k8s.aws", "crowd"))
	})
	must(t, walkthrough.Eventually(ctx, time.Minute, "make the namespace", func(ctx context.Context) error {
		_, err := cluster.RunInput(ctx, crowdManifest, "apply", "-f", "-")
		return err
	}))
}

const crowdManifest = `
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: crowd}
spec: {namespaceSelector: {matchLabels: {mesh: crowd}}}
---
apiVersion: v1
kind: Namespace
metadata:
  name: crowd
  labels: {mesh: crowd, appmesh.k8s.aws/sidecarInjectorWebhook: enabled}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: one, namespace: crowd}
spec:
  podSelector: {matchLabels: {app: one}}
  listeners: [{portMapping: {port: 8080, protocol: http}}]
  serviceDiscovery: {dns: {hostname: one.crowd.svc.cluster.local}}
`

const controllers = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: many, namespace: crowd}
spec:
  replicas: 600
  selector: {matchLabels: {app: one, by: controller}}
  template:
    metadata: {labels: {app: one, by: controller}}
    spec:
      nodeSelector: {nowhere: "yes"}
      containers: [{name: app, image: none, ports: [{containerPort: 8080}]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: many, namespace: crowd}
spec:
  completions: 400
  parallelism: 400
  template:
    metadata: {labels: {app: one, by: controller}}
    spec:
      nodeSelector: {nowhere: "yes"}
      restartPolicy: Never
      containers: [{name: app, image: none}]
`

// onePod is a pod of the crowd, with probes to rewrite.
func onePod() *corev1.Pod {
	probe := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "one-", Namespace: "crowd", Labels: map[string]string{"app": "one", "by": "hand"}},
		Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"nowhere": "yes"},
			Containers: []corev1.Container{{
				Name: "app", Image: "none", Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
				LivenessProbe: &corev1.Probe{ProbeHandler: probe}, ReadinessProbe: &corev1.Probe{ProbeHandler: probe},
			}},
		},
	}
}

// injected tells whether a pod has its proxy, where it belongs.
func injected(p *corev1.Pod) bool {
	return len(p.Spec.InitContainers) == 2 && p.Spec.InitContainers[0].Name == "envoy" && p.Spec.InitContainers[1].Name == "proxyinit"
}

// durations are those of many requests, and of all together.
type durations struct {
	all  time.Duration
	each []time.Duration // sorted
}

func (d durations) quantile(q float64) time.Duration {
	return d.each[int(q*float64(len(d.each)-1))].Round(time.Millisecond)
}

// createAtOnce creates pods with 100 clients.
func createAtOnce(t *testing.T, ctx context.Context, n int) durations {
	t.Helper()
	api := apiClient(t)
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
		took    durations
		turns   = make(chan struct{}, n)
		began   = time.Now()
	)
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	for range 100 {
		workers.Go(func() {
			for range turns {
				pod, start := onePod(), time.Now()
				err := api.Create(ctx, pod)
				mu.Lock()
				if took.each = append(took.each, time.Since(start)); err != nil {
					t.Errorf("refused: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	took.all = time.Since(began)
	slices.Sort(took.each)
	return took
}

// allInjected waits for so many pods, and wants a proxy in each.
func allInjected(t *testing.T, ctx context.Context, by string, want int) {
	t.Helper()
	api := apiClient(t)
	var pods corev1.PodList
	must(t, walkthrough.Eventually(ctx, 5*time.Minute, fmt.Sprintf("%d pods by %s", want, by), func(ctx context.Context) error {
		if err := api.List(ctx, &pods, client.InNamespace("crowd"), client.MatchingLabels{"by": by}); err != nil {
			return err
		}
		if len(pods.Items) != want {
			return fmt.Errorf("there are %d", len(pods.Items))
		}
		return nil
	}))
	for i := range pods.Items {
		if !injected(&pods.Items[i]) {
			t.Errorf("pod %s misses its proxy", pods.Items[i].Name)
		}
	}
}
