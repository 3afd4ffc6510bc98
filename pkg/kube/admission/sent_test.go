package admission_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/test/realkube"
)

// asked counts the requests about what releases depend on.
func (c *cluster) asked(t *testing.T) uint64 {
	t.Helper()
	families, err := c.metrics.Gather()
	must(t, err)
	for _, family := range families {
		if family.GetName() != "sluice_webhook_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == "/validate-release" {
				return metric.GetHistogram().GetSampleCount()
			}
		}
	}
	t.Fatal("no metric of the path")
	return 0
}

// TestOnlyWhatMattersIsSent: a Deployment is looked at when its spec or its annotations change, by people, in a namespace
// that holds Canaries. Nothing that controllers do all day is.
func TestOnlyWhatMattersIsSent(t *testing.T) {
	c := start(t)
	kube := c.as(t, nil, nil)
	namespace := realkube.Namespace(t, c.config, map[string]string{"sluice.dev/canaries": "present"})
	elsewhere := realkube.Namespace(t, c.config, nil)
	const text = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1, selector: {matchLabels: {app: web}},
		template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}}`
	web := in(namespace, object(t, text))
	patch := func(as client.Client, text string) error {
		return as.Patch(t.Context(), web, client.RawPatch(types.MergePatchType, []byte(text)))
	}
	somebody := func(user string, groups ...string) client.Client {
		return c.as(t, &rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:masters")}, nil)
	}
	scaled := func(replicas int) error {
		return kube.SubResource("scale").Update(t.Context(), web.DeepCopy(), client.WithSubResourceBody(object(t, fmt.Sprintf(
			`{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: web, namespace: %s}, spec: {replicas: %d}}`, namespace, replicas))))
	}
	for _, step := range []struct {
		what string
		do   func() error
		want uint64
	}{
		{"it is created", func() error { return kube.Create(t.Context(), web) }, 1},
		{"an autoscaler scales it", func() error { return scaled(3) }, 0},
		{"its status changes", func() error {
			live := get(t, kube, web)
			must(t, unstructured.SetNestedField(live.Object, int64(3), "status", "replicas"))
			return kube.Status().Update(t.Context(), live)
		}, 0},
		{"somebody labels it", func() error { return patch(kube, `{"metadata":{"labels":{"team":"a"}}}`) }, 0},
		{"somebody puts a finalizer on it", func() error { return patch(kube, `{"metadata":{"finalizers":["test.sluice.dev/hold"]}}`) }, 0},
		{"somebody annotates it", func() error { return patch(kube, `{"metadata":{"annotations":{"a":"b"}}}`) }, 1},
		{"somebody sets the replicas", func() error { return patch(kube, `{"spec":{"replicas":2}}`) }, 1},
		{"somebody pauses it", func() error { return patch(kube, `{"spec":{"paused":true}}`) }, 1},
		{"the same again", func() error { return patch(kube, `{"spec":{"paused":true}}`) }, 0},
		{"its own controller changes it", func() error {
			return patch(somebody("system:serviceaccount:kube-system:deployment-controller", "system:serviceaccounts:kube-system"), `{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}`)
		}, 0},
		{"we change it", func() error { return patch(c.as(t, canaryAccount, nil), `{"spec":{"paused":false}}`) }, 0},
		{"the garbage collector deletes it", func() error {
			return somebody("system:serviceaccount:kube-system:generic-garbage-collector", "system:serviceaccounts:kube-system").Delete(t.Context(), web, client.DryRunAll)
		}, 0},
		{"somebody deletes it", func() error { return kube.Delete(t.Context(), web) }, 1},
		{"somebody edits it on its way out", func() error { return patch(kube, `{"spec":{"paused":true}}`) }, 0},
		{"its finalizer is taken off", func() error { return patch(kube, `{"metadata":{"finalizers":null}}`) }, 0},
		{"one is created where there are no Canaries", func() error { return kube.Create(t.Context(), in(elsewhere, object(t, text))) }, 0},
	} {
		before := c.asked(t)
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		if got := c.asked(t) - before; got != step.want {
			t.Errorf("%s: %d requests, want %d", step.what, got, step.want)
		}
	}
}

// TestNothingIsHeldInANamespaceThatGoes: what a live Canary needs is not deleted alone, but with its namespace, whoever
// deletes it and however far behind the caches are.
func TestNothingIsHeldInANamespaceThatGoes(t *testing.T) {
	c := start(t)
	kube := c.as(t, nil, nil)
	namespace := realkube.Namespace(t, c.config, map[string]string{"sluice.dev/canaries": "present"})
	canary := in(namespace, object(t, `{apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: web}, spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: web},
		autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: web}, service: {port: 80}, analysis: {stepWeight: 5}}}`))
	scaler := in(namespace, object(t, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`))
	must(t, kube.Create(t.Context(), scaler))
	must(t, kube.Create(t.Context(), canary))
	eventually(t, "the autoscaler is held", func() error {
		if err := kube.Delete(t.Context(), scaler, client.DryRunAll); !strings.Contains(refusal(err), ": SL015: ") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	must(t, kube.Delete(t.Context(), object(t, `{apiVersion: v1, kind: Namespace, metadata: {name: `+namespace+`}}`)))
	if err := kube.Delete(t.Context(), scaler); err != nil {
		t.Errorf("its namespace goes: %v", err)
	}
}
