package main

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestCheckInjectInTheCluster: a workload is judged by what a real API server has now.
func TestCheckInjectInTheCluster(t *testing.T) {
	i := install(t)
	labels := map[string]string{"app": "app"}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
	if _, err := i.kube.AppsV1().Deployments(i.namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	naked := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "naked", Labels: labels}, Spec: template.Spec}
	naked.Spec.ServiceAccountName = "app"
	if _, err := i.kube.CoreV1().Pods(i.namespace).Create(t.Context(), naked, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	check := func(name string, wantCode int, want string, args ...string) {
		t.Helper()
		code, stdout, stderr := i.sluice(append([]string{"check-inject"}, args...)...)
		if code != wantCode || !strings.Contains(stdout+stderr, strings.ReplaceAll(want, "NS", i.namespace)) || strings.Count(stdout+stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q; want %d, one line with %q", name, code, stdout+stderr, wantCode, want)
		}
	}
	check("nobody opted in", exitOK, "Deployment/NS/app: skipped: the namespace has no label", "deploy/app")
	patch := []byte(`{"metadata": {"labels": {"appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}}}`)
	if _, err := i.kube.CoreV1().Namespaces().Patch(t.Context(), i.namespace, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	check("a deployment", exitOK, "Deployment/NS/app: injected: the proxy is added, as VirtualNode/NS/app (Injected)", "deployment.apps/app")
	check("a pod from before", exitFound, "Pod/NS/naked: skipped: it exists without a proxy and would get one now, as VirtualNode/NS/app; create it again (Injected)", "pod/naked")
	check("no such workload", exitFailed, "error: namespace NS has no Deployment nobody; say where it is with -n", "deployment/nobody")
	check("no such type", exitFailed, `error: "service/app" is not of the form TYPE/NAME; write for example deployment/web or pod/web-1`, "service/app")
	check("without rights", exitFailed, "; ask for the right to do it, or use --as", "deployment/app", "--as", "nobody")
}
