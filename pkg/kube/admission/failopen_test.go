package admission_test

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// TestOutageWhereItFailsOpen: with the failure policy of config/components/fail-open, a pod comes to life without its proxy
// while nobody answers, and with it when somebody does again.
func TestOutageWhereItFailsOpen(t *testing.T) {
	c := start(t)
	kube := c.as(t, nil, nil)
	namespace := c.meshed(t, "enabled")
	policy := func(want admissionregistrationv1.FailurePolicyType) {
		t.Helper()
		eventually(t, "the failure policy is set", func() error {
			live := &admissionregistrationv1.MutatingWebhookConfiguration{}
			if err := kube.Get(t.Context(), client.ObjectKey{Name: sluice.WebhookService}, live); err != nil {
				return err
			}
			for i := range live.Webhooks {
				if live.Webhooks[i].Name == "mpod.sluice.dev" {
					live.Webhooks[i].FailurePolicy = &want
				}
			}
			return kube.Update(t.Context(), live)
		})
	}
	policy(admissionregistrationv1.Ignore)
	defer policy(admissionregistrationv1.Fail)
	c.stop()
	naked := in(namespace, object(t, podText))
	eventually(t, "a pod is created while nobody answers", func() error { return kube.Create(t.Context(), naked.DeepCopy(), client.DryRunAll) })
	must(t, kube.Create(t.Context(), naked))
	if containers, _, _ := unstructured.NestedSlice(naked.Object, "spec", "initContainers"); len(containers) > 0 {
		t.Errorf("somebody answered: %v", containers)
	}
}
