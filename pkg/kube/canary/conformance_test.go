package canary

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// recordedStates are the states of a Canary as the API server saw them, each once.
type recordedStates struct {
	mu   sync.Mutex
	seen []string
}

func (r *recordedStates) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func state(phase canaryv1beta1.CanaryPhase, weight, iterations, failed int) string {
	return fmt.Sprintf("%s weight %d iterations %d failed %d", phase, weight, iterations, failed)
}

func (w *world) recordStates() *recordedStates {
	w.t.Helper()
	r := &recordedStates{}
	ctx, cancel := context.WithCancel(context.Background())
	events, err := w.dynamic.Resource(canaries).Namespace(w.namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cancel)
	go func() {
		for e := range events.ResultChan() {
			u, ok := e.Object.(*unstructured.Unstructured)
			var c canaryv1beta1.Canary
			if !ok || runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &c) != nil {
				continue
			}
			st := c.Status
			r.mu.Lock()
			r.seen = append(r.seen, state(st.Phase, st.CanaryWeight.Int(), st.Iterations.Int(), st.FailedChecks.Int()))
			r.seen = slices.Compact(r.seen)
			r.mu.Unlock()
		}
	}()
	return r
}

// TestTheSimulationIsLikeTheAPIServer plays the same rollouts in the simulated cluster, in which the laws of pkg/canary
// are tried, and against a real API server, and wants the same states in the same order. The simulation makes facts true
// at once and in one piece; here each is several writes, conflicts, and watches that lag.
func TestTheSimulationIsLikeTheAPIServer(t *testing.T) {
	for name, scene := range map[string]struct {
		analysis string // in place of the steps
		failFrom int
	}{
		"steps":                  {"stepWeight: 20, maxWeight: 60", 0},
		"a list of steps":        {"stepWeights: [1, 10, 80]", 0},
		"promotion in steps":     {"stepWeight: 50, maxWeight: 50, stepWeightPromotion: 25", 0},
		"blue/green":             {"iterations: 2", 0},
		"rolled back at step 2":  {"stepWeight: 20, maxWeight: 60", 2},
		"blue/green rolled back": {"iterations: 3", 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			text := strings.Replace(fmt.Sprintf(withoutScaler, "podinfo"), "    stepWeight: 20\n    maxWeight: 60\n",
				"    "+strings.ReplaceAll(scene.analysis, ", ", "\n    ")+"\n", 1)
			text = strings.ReplaceAll(text, "[1\n    10\n    80]", "[1, 10, 80]")
			w.apply(deployments, podinfoDeployment)
			w.apply(canaries, text)
			w.start()
			w.until("it is initialised and at zero", func() bool {
				return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && w.deployment("podinfo").Status.Replicas == 0
			})
			states := w.recordStates()
			w.setImage("podinfo:3.1.1")
			w.until("it is over", func() bool {
				st := w.canary().Status
				if scene.failFrom > 0 && st.Rollout != nil && int(st.Rollout.Step) >= scene.failFrom && st.Phase == canaryv1beta1.CanaryPhaseProgressing {
					w.traffic.set(func(f *traffic) { f.failing = true })
				}
				return st.Phase == canaryv1beta1.CanaryPhaseSucceeded || st.Phase == canaryv1beta1.CanaryPhaseFailed
			})
			w.until("the target is at zero", func() bool { return *w.deployment("podinfo").Spec.Replicas == 0 })

			if diff := cmp.Diff(simulated(t, text, scene.failFrom), states.all()); diff != "" {
				t.Errorf("the simulation and the API server (+):\n%s", diff)
			}
			if got := w.weights.all(); got[len(got)-1] != 0 {
				t.Errorf("weights %v", got)
			}
		})
	}
}

// simulated are the states that the simulation goes through.
func simulated(t *testing.T, text string, failFrom int) []string {
	t.Helper()
	c := &canaryv1beta1.Canary{}
	if err := yaml.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	c.Namespace = "demo"
	preview, err := canary.NewPreview(c, canary.Assumptions{FailFrom: failFrom})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{state(canaryv1beta1.CanaryPhaseInitialized, 0, 0, 0)}
	for _, s := range append(preview.Steps, preview.End) {
		out = append(out, state(s.Phase, s.Weight, s.Iterations, s.FailedChecks))
	}
	return slices.Compact(out)
}
