package canary

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// collectGarbage does what the garbage collector does when a Canary is gone: the reference to it goes, and so does an
// object that has no other owner. It returns the kinds and names of those.
func (w *world) collectGarbage(uid string) map[string]bool {
	w.t.Helper()
	ctx := context.Background()
	gone := map[string]bool{}
	for _, resource := range []schema.GroupVersionResource{
		deployments, hpas, services, virtualNodes, virtualRouters, virtualServices, controllerRevisions, configMaps,
	} {
		list, err := w.dynamic.Resource(resource).Namespace(w.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range list.Items {
			u := &list.Items[i]
			var others []any
			owners, _, _ := unstructured.NestedSlice(u.Object, "metadata", "ownerReferences")
			for _, o := range owners {
				if o.(map[string]any)["uid"] != uid {
					others = append(others, o)
				}
			}
			switch {
			case len(others) == len(owners):
				continue
			case len(others) == 0:
				gone[resource.Resource+"/"+u.GetName()] = true
				err = w.dynamic.Resource(resource).Namespace(w.namespace).Delete(ctx, u.GetName(), metav1.DeleteOptions{})
			default:
				u.SetOwnerReferences(nil)
				_ = unstructured.SetNestedSlice(u.Object, others, "metadata", "ownerReferences")
				_, err = w.dynamic.Resource(resource).Namespace(w.namespace).Update(ctx, u, metav1.UpdateOptions{})
			}
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return gone
}

func (w *world) deleteCanary() {
	w.t.Helper()
	if err := w.dynamic.Resource(canaries).Namespace(w.namespace).Delete(context.Background(), "podinfo", metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func TestADeletionWithRevertHandsOverFirst(t *testing.T) {
	w := initialised(t, strings.Replace(podinfoCanary, "progressDeadlineSeconds: 600", "revertOnDeletion: true", 1))
	w.start()
	w.until("it is initialised and held", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && len(w.canary().Finalizers) == 1
	})
	uid := string(w.canary().UID)
	w.setImage("podinfo:3.1.1")
	w.until("the canary has traffic", func() bool { return w.canary().Status.CanaryWeight == 20 })
	w.deleteCanary()
	w.until("it is gone", func() bool { return w.get(canaries, "podinfo") == nil })
	weights := w.weights.all()
	if weights[len(weights)-1] != 100 {
		t.Errorf("weights %v: all traffic must be on the target", weights)
	}
	if d := w.deployment("podinfo"); *d.Spec.Replicas != 2 || d.Status.AvailableReplicas != 2 {
		t.Errorf("the target has %d of %d replicas", d.Status.AvailableReplicas, *d.Spec.Replicas)
	}
	w.tells("Terminating canary podinfo."+w.namespace, "Terminated canary podinfo."+w.namespace)

	gone := w.collectGarbage(uid)
	for name := range gone {
		if strings.HasPrefix(name, "controllerrevisions/") {
			delete(gone, name)
		}
	}
	want := map[string]bool{
		"deployments/podinfo-primary": true, "horizontalpodautoscalers/podinfo-primary": true,
		"services/podinfo-primary": true, "virtualnodes/podinfo-primary": true,
	}
	if diff := cmp.Diff(want, gone); diff != "" {
		t.Errorf("what goes with the Canary:\n%s", diff)
	}
	if selector := w.service("podinfo").Spec.Selector; selector["app"] != "podinfo" {
		t.Errorf("the apex Service selects %v", selector)
	}
}

func TestADeletionWithoutRevertLeavesWhatServes(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised and at zero", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && w.deployment("podinfo").Status.Replicas == 0
	})
	w.settle()
	before, uid := w.deployment("podinfo-primary").UID, string(w.canary().UID)
	w.deleteCanary()
	w.until("it is gone", func() bool { return w.get(canaries, "podinfo") == nil })
	for name := range w.collectGarbage(uid) {
		if !strings.HasPrefix(name, "controllerrevisions/") {
			t.Errorf("%s goes, and with it what users need", name)
		}
	}
	w.apply(canaries, podinfoCanary)
	w.until("a new one takes up what was left", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && metav1.IsControlledBy(w.get(virtualRouters, "podinfo"), w.canary())
	})
	if primary := w.deployment("podinfo-primary"); primary.UID != before || !metav1.IsControlledBy(primary, w.canary()) || primary.Status.AvailableReplicas != 2 {
		t.Errorf("the primary: %+v", primary)
	}
	if c := w.condition("ForeignObject"); c != nil {
		t.Errorf("%+v", c)
	}
}
