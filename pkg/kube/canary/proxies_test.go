package canary

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// callers are what mesh says: virtual node web calls, and its pods take weights, or not.
type callers struct {
	namespace string

	mu    sync.Mutex
	takes bool
	pods  []string
}

func (c *callers) Acknowledgements(context.Context, RouterGeneration, time.Duration) (canary.Acknowledgements, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := canary.Acknowledgements{Served: true, Callers: []canary.Caller{{Namespace: c.namespace, Name: "web"}}, Taken: map[string]bool{}}
	for _, uid := range c.pods {
		out.Taken[uid] = c.takes
	}
	return out, nil
}

func (c *callers) take(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takes = yes
}

// withCaller adds a ready pod of virtual node web, and one that is starting.
func withCaller(t *testing.T) (*world, *callers) {
	t.Helper()
	w := initialised(t, podinfoCanary)
	c := &callers{namespace: w.namespace, takes: true}
	w.proxies = c
	for name, ready := range map[string]corev1.ConditionStatus{"web-1": corev1.ConditionTrue, "web-2": corev1.ConditionFalse} {
		pod, err := w.kube.CoreV1().Pods(w.namespace).Create(context.Background(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Labels: map[string]string{sluice.LabelProxy: sluice.ProxyNode},
				Annotations: map[string]string{sluice.AnnotationVirtualNode: "web"},
			},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
		if _, err := w.kube.CoreV1().Pods(w.namespace).UpdateStatus(context.Background(), pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if ready == corev1.ConditionTrue {
			c.pods = append(c.pods, string(pod.UID))
		}
	}
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	return w, c
}

func (w *world) stale() string {
	for _, c := range w.canary().Status.Conditions {
		if c.Type == canary.ConditionProxiesStale {
			return c.Message
		}
	}
	return ""
}

func (w *world) reached() bool { return !w.canary().Status.Rollout.StepReachedTime.IsZero() }

// atFirstStep tells whether the router has the first of the steps, 20 %.
func (w *world) atFirstStep() bool {
	weights := podinfoWeights(w.get(virtualRouters, "podinfo"))
	return weights != nil && weights.Canary == 20
}

func TestAStepIsReachedWhenItsCallersHaveTheWeights(t *testing.T) {
	w, c := withCaller(t)
	c.take(false)
	w.setImage("podinfo:3.1.1")
	w.until("the first step is written", func() bool { return w.atFirstStep() })
	for range 15 {
		w.clock.Step(time.Second)
		time.Sleep(20 * time.Millisecond)
	}
	if w.reached() || w.canary().Status.CanaryWeight != 20 {
		t.Fatalf("a step counts although its caller does not have it: %+v", w.canary().Status)
	}
	c.take(true)
	w.until("the step is reached", w.reached)
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	if message := w.stale(); message != "" {
		t.Errorf("nobody was left behind, and it says: %s", message)
	}
}

func TestACallerThatDoesNotTakeTheWeightsIsNamed(t *testing.T) {
	w, c := withCaller(t)
	c.take(false)
	w.setImage("podinfo:3.1.1")
	w.until("a step counts without it", func() bool { return w.atFirstStep() && w.reached() })
	if message := w.stale(); !strings.Contains(message, w.namespace+"/web-1") || strings.Contains(message, "web-2") {
		t.Errorf("the condition says %q, want web-1, which is ready, and not web-2", message)
	}
	c.take(true)
	w.until("the condition goes", func() bool { return w.stale() == "" })
}
