package canary

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestNamespacesOfCanariesAreLabelled: from the first Canary to the last, whoever else writes the label.
func TestNamespacesOfCanariesAreLabelled(t *testing.T) {
	w := newWorld(t)
	label := func(namespace string) (string, bool) {
		ns, err := w.kube.CoreV1().Namespaces().Get(context.Background(), namespace, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		value, ok := ns.Labels[sluice.LabelCanaries]
		if ns.Labels["kubernetes.io/metadata.name"] != namespace || ns.Labels["theirs"] != "kept" {
			t.Errorf("the labels are %v", ns.Labels)
		}
		return value, ok
	}
	patch := func(namespace, text string) {
		if _, err := w.kube.CoreV1().Namespaces().Patch(context.Background(), namespace, types.MergePatchType, []byte(text), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(name string) {
		if err := w.dynamic.Resource(canaries).Namespace(w.namespace).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	labelled := func() bool { value, _ := label(w.namespace); return value == sluice.CanariesPresent }
	bare := func() bool { _, ok := label(w.namespace); return !ok }

	patch(w.namespace, `{"metadata":{"labels":{"theirs":"kept","sluice.dev/canaries":"present"}}}`)
	elsewhere := realkube.Namespace(t, w.config, map[string]string{"theirs": "kept", sluice.LabelCanaries: sluice.CanariesPresent})
	w.start()
	w.until("a label that means nothing is taken off", bare)
	w.apply(canaries, podinfoCanary)
	w.until("the first Canary labels its namespace", labelled)
	w.apply(canaries, `{apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: other}, spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: other}, service: {port: 80}, analysis: {stepWeight: 5}}}`)
	gone("podinfo")
	patch(w.namespace, `{"metadata":{"labels":{"sluice.dev/canaries":null}}}`)
	w.until("somebody took it off", labelled)
	w.settle()
	before := w.requests.Load()
	patch(w.namespace, `{"metadata":{"annotations":{"touched":"yes"}}}`)
	w.settle()
	if n := w.requests.Load() - before; n != 0 {
		t.Errorf("%d requests although the label is right", n)
	}
	gone("other")
	w.until("the last Canary is gone", bare)
	if value, _ := label(elsewhere); value != sluice.CanariesPresent {
		t.Error("a namespace that is somebody else's was changed")
	}
}
