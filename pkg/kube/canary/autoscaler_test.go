package canary

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func (w *world) number(resource schema.GroupVersionResource, name string, path ...string) int64 {
	w.t.Helper()
	u := w.get(resource, name)
	if u == nil {
		return -1
	}
	n, _, _ := unstructured.NestedInt64(u.Object, path...)
	return n
}

func TestEditsOfTheAutoscalerReachThePrimaryAtOnce(t *testing.T) {
	// The version is of a cluster of long ago; what the cluster serves is what counts.
	w := initialised(t, strings.Replace(podinfoCanary, "apiVersion: autoscaling/v2", "apiVersion: autoscaling/v2beta2", 1))
	w.start()
	w.until("it is initialised and at zero", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && w.deployment("podinfo").Status.Replicas == 0
	})
	upper := func() int64 { return w.number(hpas, "podinfo-primary", "spec", "maxReplicas") }
	lower := func() int64 { return w.number(hpas, "podinfo-primary", "spec", "minReplicas") }
	w.patch(hpas, "podinfo", `{"spec":{"maxReplicas":7,"minReplicas":3}}`)
	w.until("idle, the copy follows", func() bool { return upper() == 7 && lower() == 3 })

	w.setImage("podinfo:3.1.1")
	w.until("the canary has traffic", func() bool { return w.canary().Status.CanaryWeight == 20 })
	w.patch(hpas, "podinfo", `{"spec":{"maxReplicas":9,"minReplicas":1}}`)
	w.until("in the middle of a rollout too", func() bool { return upper() == 9 })
	if n := lower(); n != 2 {
		t.Errorf("the lower bound is %d; the primary had 2 replicas when the rollout began, and keeps them", n)
	}
	w.patch(canaries, "podinfo", `{"spec":{"autoscalerRef":{"primaryScalerReplicas":{"maxReplicas":12}}}}`)
	w.until("and the overrides of the Canary", func() bool { return upper() == 12 })
	w.until("it is promoted and the floor is gone", func() bool { return w.phase(canaryv1beta1.CanaryPhaseSucceeded)() && lower() == 1 })
}

func TestAnIdleTargetStaysIdleWhateverIsReapplied(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	idle := func() bool { return *w.deployment("podinfo").Spec.Replicas == 0 }
	w.until("it is initialised and at zero", func() bool { return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && idle() })
	for range 3 {
		w.apply(deployments, podinfoDeployment) // with its replicas: 2
		w.until("it is at zero again", idle)
	}
	w.patch(hpas, "podinfo", `{"metadata":{"labels":{"reapplied":"yes"}}}`)
	_, err := w.dynamic.Resource(hpas).Namespace(w.namespace).Patch(context.Background(), "podinfo", types.MergePatchType,
		[]byte(`{"status":{"currentReplicas":0,"desiredReplicas":0,"conditions":[{"type":"ScaledToZero","status":"True","lastTransitionTime":"2026-11-25T12:00:00Z"}]}}`),
		metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	w.until("the autoscaler that wakes it is named", func() bool {
		return w.condition("TargetHeldAtZero") != nil && w.told("HorizontalPodAutoscaler podinfo scaled podinfo."+w.namespace+" to zero by itself") == 1
	})
	if phase := w.canary().Status.Phase; phase != canaryv1beta1.CanaryPhaseInitialized {
		t.Errorf("a rollout started: %s", phase)
	}
}

// scaledObjectCRD is as much of KEDA as the API server needs to know.
const scaledObjectCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: scaledobjects.keda.sh}
spec:
  group: keda.sh
  scope: Namespaced
  names: {kind: ScaledObject, plural: scaledobjects, singular: scaledobject}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

func TestAScaledObjectIsCopiedAndPaused(t *testing.T) {
	w := newWorld(t)
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	scaledObjects := schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
	paused := func() string {
		return w.get(scaledObjects, "podinfo").GetAnnotations()["autoscaling.keda.sh/paused-replicas"]
	}
	w.apply(deployments, podinfoDeployment)
	w.apply(canaries, strings.Replace(podinfoCanary, "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}",
		"{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: podinfo, primaryScalerReplicas: {minReplicas: 2}}", 1))
	w.start()
	w.until("without KEDA it is initialised all the same", w.phase(canaryv1beta1.CanaryPhaseInitialized))

	// KEDA is installed later; nobody tells us, and we find out.
	var crd unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(scaledObjectCRD), &crd.Object); err != nil {
		t.Fatal(err)
	}
	if _, err := w.dynamic.Resource(crds).Create(context.Background(), &crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.dynamic.Resource(crds).Delete(context.Background(), crd.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	const scaledObject = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: podinfo}
spec:
  scaleTargetRef: {name: podinfo}
  minReplicaCount: 1
  triggers: [{type: prometheus, name: requests, metadata: {query: 'sum(rate(requests{app="podinfo"}[1m]))'}}]
`
	w.until("the API server serves it", func() bool {
		var u unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(scaledObject), &u.Object); err != nil {
			t.Fatal(err)
		}
		_, err := w.dynamic.Resource(scaledObjects).Namespace(w.namespace).Create(context.Background(), &u, metav1.CreateOptions{})
		return err == nil
	})
	w.until("it is copied, and the target's is paused", func() bool { return w.get(scaledObjects, "podinfo-primary") != nil && paused() == "0" })
	spec, _, _ := unstructured.NestedMap(w.get(scaledObjects, "podinfo-primary").Object, "spec")
	want := map[string]any{
		"scaleTargetRef":  map[string]any{"name": "podinfo-primary"},
		"minReplicaCount": int64(2),
		"triggers": []any{map[string]any{
			"type": "prometheus", "name": "requests", "metadata": map[string]any{"query": `sum(rate(requests{app="podinfo-primary"}[1m]))`},
		}},
	}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Error(diff)
	}
	w.setImage("podinfo:3.1.1")
	w.until("while a rollout runs it works", func() bool { return w.canary().Status.CanaryWeight == 20 && paused() == "" })
	w.until("and afterwards it is paused again", func() bool { return w.phase(canaryv1beta1.CanaryPhaseSucceeded)() && paused() == "0" })

	w.settle()
	before := w.requests.Load()
	for range 60 {
		w.clock.Step(time.Second)
		time.Sleep(time.Millisecond)
	}
	if n := w.requests.Load() - before; n != 0 {
		t.Errorf("%d requests while idle", n)
	}
}
