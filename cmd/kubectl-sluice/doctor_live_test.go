package main

import (
	"encoding/json"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/diagnosis"
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// doctorSays runs doctor for an installation in a namespace that does not exist, and gives what it finds by check.
func (i *installation) doctorSays(args ...string) (code int, by map[string][]diagnosis.Finding) {
	i.t.Helper()
	code, out, stderr := i.sluice(append([]string{"doctor", "-o", "json", "--sluice-namespace", "nowhere"}, args...)...)
	var findings []diagnosis.Finding
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		i.t.Fatalf("%v in %q; standard error says %s", err, out, stderr)
	}
	by = map[string][]diagnosis.Finding{}
	for _, f := range findings {
		by[f.Check] = append(by[f.Check], f)
	}
	return code, by
}

// TestDoctor examines a real API server on which little of an installation is there.
func TestDoctor(t *testing.T) {
	i := install(t)
	labels := map[string]string{"app": "flagger"}
	flagger := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "flagger"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "flagger", Image: "ghcr.io/fluxcd/flagger:1.43.0"}}},
			},
		},
	}
	created, err := i.kube.AppsV1().Deployments(i.namespace).Create(t.Context(), flagger, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	created.Status.Replicas = 1
	if _, err := i.kube.AppsV1().Deployments(i.namespace).UpdateStatus(t.Context(), created, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	none := admissionregistrationv1.SideEffectClassNone
	dead := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: i.namespace},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "vnothing.appmesh.k8s.aws", AdmissionReviewVersions: []string{"v1"}, SideEffects: &none,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Name: "gone", Namespace: i.namespace}},
			// It refuses what nobody else in these tests writes.
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"nobody.example"}, APIVersions: []string{"v1"}, Resources: []string{"nothings"}},
			}},
		}},
	}
	if _, err := i.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), dead, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	optIn := []byte(`{"metadata": {"labels": {"` + appmeshv1beta2.AnnotationSidecarInjectorWebhook + `": "enabled"}}}`)
	if _, err := i.kube.CoreV1().Namespaces().Patch(t.Context(), i.namespace, types.MergePatchType, optIn, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	naked := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "naked", Labels: map[string]string{"app": "app"}},
		Spec:       corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
	if _, err := i.kube.CoreV1().Pods(i.namespace).Create(t.Context(), naked, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	code, by := i.doctorSays()
	if code != exitFound {
		t.Errorf("exit code %d", code)
	}
	has := func(check string, severity diagnosis.Severity, says string) {
		t.Helper()
		for _, f := range by[check] {
			if f.Severity == severity && strings.Contains(f.Message, says) {
				return
			}
		}
		t.Errorf("%s: no %s %q in %+v", check, severity, says, by[check])
	}
	has("processes", diagnosis.Error, "there is no Deployment sluice-webhook")
	has("kinds", diagnosis.OK, "have the fields that Sluice adds")
	has("certificates", diagnosis.Error, "there is no Secret sluice-webhook-tls")
	has("dead-webhooks", diagnosis.Error, i.namespace+" refuses what it is asked about, because Service "+i.namespace+"/gone does not exist")
	has("other-controllers", diagnosis.Error, "Flagger runs beside Sluice: Deployment "+i.namespace+"/flagger")
	has("proxies", diagnosis.Unknown, "no pod of mesh runs in namespace")
	has("naked-pods", diagnosis.Warning, i.namespace+"/naked")
	has("webhooks", diagnosis.Error, "the webhook was not asked")

	// Somebody who may read nothing learns just that.
	code, by = i.doctorSays("--as", "stranger")
	if code != exitFailed {
		t.Errorf("without any right: exit code %d", code)
	}
	has("processes", diagnosis.Unknown, "forbidden")
	has("certificates", diagnosis.Unknown, "forbidden")

	code, out, _ := i.sluice("doctor", "--sluice-namespace", "nowhere")
	if code != exitFound || !strings.Contains(out, "error    processes          there is no Deployment sluice-webhook in namespace") ||
		!strings.Contains(out, "to do: install Sluice, or say where it is") {
		t.Errorf("%d: %s", code, out)
	}
}
