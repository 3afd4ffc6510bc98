package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/gate"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(realkube.Main(m))
}

// controllers do what the controller manager, the scheduler and the kubelets do in a real cluster, for one namespace:
// Deployments get pods, pods run, Services get endpoints. Nothing of ours is replaced.
type controllers struct {
	kube      kubernetes.Interface
	namespace string
	done      chan struct{}
}

// broken in an image's name makes its pods never ready.
const broken = "broken"

func startControllers(t *testing.T, kube kubernetes.Interface, namespace string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &controllers{kube: kube, namespace: namespace, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			if err := c.pass(ctx); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && !apierrors.IsAlreadyExists(err) {
				t.Errorf("the cluster's own controllers: %v", err)
			}
			time.Sleep(25 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-c.done
	})
}

func (c *controllers) pass(ctx context.Context) error {
	deployments, err := c.kube.AppsV1().Deployments(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range deployments.Items {
		if err := c.runDeployment(ctx, &deployments.Items[i]); err != nil {
			return err
		}
	}
	daemons, err := c.kube.AppsV1().DaemonSets(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range daemons.Items {
		if err := c.runDaemonSet(ctx, &daemons.Items[i]); err != nil {
			return err
		}
	}
	services, err := c.kube.CoreV1().Services(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range services.Items {
		if err := c.runService(ctx, &services.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// nodes is how many nodes a DaemonSet finds, unless it selects none.
const nodes = 2

func (c *controllers) runDeployment(ctx context.Context, d *appsv1.Deployment) error {
	n := *d.Spec.Replicas
	if err := c.runPods(ctx, d.Name+"-%s-%d", n, d.Spec.Selector, d.Spec.Template); err != nil {
		return err
	}
	available := availableOf(d.Spec.Template, n)
	status := appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n,
		ReadyReplicas: available, AvailableReplicas: available, UnavailableReplicas: n - available,
	}
	old := d.Status.DeepCopy()
	old.Conditions = nil
	if fmt.Sprint(*old) == fmt.Sprint(status) {
		return nil
	}
	d = d.DeepCopy()
	d.Status = status
	_, err := c.kube.AppsV1().Deployments(c.namespace).UpdateStatus(ctx, d, metav1.UpdateOptions{})
	return err
}

func (c *controllers) runDaemonSet(ctx context.Context, d *appsv1.DaemonSet) error {
	n := int32(nodes)
	for label := range d.Spec.Template.Spec.NodeSelector {
		if label != corev1.LabelOSStable {
			n = 0
		}
	}
	if err := c.runPods(ctx, d.Name+"-%sx%d", n, d.Spec.Selector, d.Spec.Template); err != nil {
		return err
	}
	available := availableOf(d.Spec.Template, n)
	status := appsv1.DaemonSetStatus{
		ObservedGeneration: d.Generation, CurrentNumberScheduled: n, DesiredNumberScheduled: n, UpdatedNumberScheduled: n,
		NumberReady: available, NumberAvailable: available, NumberUnavailable: n - available,
	}
	if fmt.Sprint(d.Status) == fmt.Sprint(status) {
		return nil
	}
	d = d.DeepCopy()
	d.Status = status
	_, err := c.kube.AppsV1().DaemonSets(c.namespace).UpdateStatus(ctx, d, metav1.UpdateOptions{})
	return err
}

func availableOf(template corev1.PodTemplateSpec, n int32) int32 {
	if strings.Contains(template.Spec.Containers[0].Image, broken) {
		return 0
	}
	return n
}

// runPods replaces all pods at once when the template changes: how a rolling update rolls is not our subject.
// They are named as the real controllers name them: <deployment>-<hash>-<suffix>, <daemonset>-<suffix>.
func (c *controllers) runPods(ctx context.Context, name string, n int32, selects *metav1.LabelSelector, template corev1.PodTemplateSpec) error {
	text, err := json.Marshal(template)
	if err != nil {
		return err
	}
	sum := fnv.New32a()
	sum.Write(text)
	hash := fmt.Sprintf("%x", sum.Sum32())
	selector, err := metav1.LabelSelectorAsSelector(selects)
	if err != nil {
		return err
	}
	pods, err := c.kube.CoreV1().Pods(c.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for i := range n {
		wanted[fmt.Sprintf(name, hash, i)] = true
	}
	for _, pod := range pods.Items {
		if !wanted[pod.Name] {
			if err := c.kube.CoreV1().Pods(c.namespace).Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0)); err != nil {
				return err
			}
		}
		delete(wanted, pod.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if err := c.runPod(ctx, template, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *controllers) runPod(ctx context.Context, template corev1.PodTemplateSpec, name string) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: maps.Clone(template.Labels)},
		Spec:       *template.Spec.DeepCopy(),
	}
	pod.Labels[sluice.LabelProxy] = sluice.ProxyNode // what the webhook does
	pod, err := c.kube.CoreV1().Pods(c.namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "192.0.2.1", PodIPs: []corev1.PodIP{{IP: "192.0.2.1"}}}
	_, err = c.kube.CoreV1().Pods(c.namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

func (c *controllers) runService(ctx context.Context, s *corev1.Service) error {
	pods, err := c.kube.CoreV1().Pods(c.namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(s.Spec.Selector).String()})
	if err != nil {
		return err
	}
	var endpoints []discoveryv1.Endpoint
	for i := range pods.Items {
		pod := &pods.Items[i]
		endpoints = append(endpoints, realkube.Endpoint(pod, !strings.Contains(pod.Spec.Containers[0].Image, broken)))
	}
	return realkube.Serve(ctx, c.kube, s, endpoints)
}

// traffic stands where Envoys would be: every pod gets ten requests per second of the test's clock.
type traffic struct {
	now func() time.Time

	mu      sync.Mutex
	failing bool
	spares  string // the beginning of the names of pods that do not fail
	deaf    bool
	pods    map[string]*counted
}

type counted struct {
	since    time.Time
	counters gate.Counters
}

const perSecond = 10

// set says how the pods answer from now on.
func (f *traffic) set(change func(*traffic)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// Read is the StatsReader.
func (f *traffic) Read(_ context.Context, pod Pod) (gate.Sample, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deaf {
		return gate.Sample{}, fmt.Errorf("dial %s: connection refused", pod.IP)
	}
	now := f.now()
	p := f.pods[pod.UID]
	if p == nil {
		p = &counted{since: now}
		f.pods[pod.UID] = p
	}
	n := uint64(now.Sub(p.since).Seconds() * perSecond)
	p.since = now
	p.counters.Requests += n
	if f.failing && (f.spares == "" || !strings.HasPrefix(pod.Name, f.spares)) {
		p.counters.Class[5] += n
	} else {
		p.counters.Class[2] += n
	}
	p.counters.Latency = []gate.Bucket{{UpperMS: 50, Count: p.counters.Requests}}
	return gate.Sample{Pod: pod.UID, Epoch: "1", At: now, Counters: p.counters}, nil
}

func key(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}
