package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/release"
	"github.com/sluice-mesh/sluice/test/realkube"
)

const progressingCanary = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 5, stepWeight: 10, maxWeight: 50}
`

const progressingStatus = `{"status": {"phase": "Progressing", "canaryWeight": 20, "failedChecks": 1, "iterations": 0,
"rollout": {"revision": "aabbccddeeff0011", "strategy": "canary", "step": 2, "why": "waits for the check at 12:00:20",
"metrics": [{"name": "request-success-rate", "value": "99.5", "min": "99", "verdict": "Pass", "samples": 400}]}}}`

// canary makes a Canary in the middle of a release, with its target and an event.
func (i *installation) canary() {
	i.t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(progressingCanary), &u.Object); err != nil {
		i.t.Fatal(err)
	}
	canaries := i.dyn.Resource(canaryResource).Namespace(i.namespace)
	if _, err := canaries.Create(i.t.Context(), &u, metav1.CreateOptions{}); err != nil {
		i.t.Fatal(err)
	}
	i.patchStatus(progressingStatus)
	labels := map[string]string{"app": "web"}
	target := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:2"}}},
			},
		},
	}
	if _, err := i.kube.AppsV1().Deployments(i.namespace).Create(i.t.Context(), target, metav1.CreateOptions{}); err != nil {
		i.t.Fatal(err)
	}
	i.event("web.1", "Advance web canary weight 20")
}

func (i *installation) patchStatus(patch string) {
	i.t.Helper()
	_, err := i.dyn.Resource(canaryResource).Namespace(i.namespace).Patch(i.t.Context(), "web", types.MergePatchType,
		[]byte(patch), metav1.PatchOptions{}, "status")
	if err != nil {
		i.t.Fatal(err)
	}
}

func (i *installation) event(name, message string) {
	i.t.Helper()
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name},
		InvolvedObject: corev1.ObjectReference{Kind: "Canary", Name: "web", Namespace: i.namespace},
		Type:           corev1.EventTypeNormal, Reason: "WeightAdvanced", Message: message, LastTimestamp: now,
	}
	if _, err := i.kube.CoreV1().Events(i.namespace).Create(i.t.Context(), event, metav1.CreateOptions{}); err != nil {
		i.t.Fatal(err)
	}
}

func TestStatusOfARelease(t *testing.T) {
	i := install(t)
	i.canary()

	code, out, errs := i.sluice("status", "web")
	if code != exitOK || errs != "" {
		t.Errorf("exit code %d, and standard error says %s", code, errs)
	}
	for _, want := range []string{
		"Canary " + i.namespace + "/web: Progressing, step 2 of 5, canary weight 20%",
		"waits for the check at 12:00:20", "Deployment/web   0/1 ready   web:2   revision aabbccdd",
		"Deployment/web-primary does not exist", "asked 20%, no router holds it", "1 of 5 failed",
		"request-success-rate   Pass   99.5   at least 99   of 400 requests", "Advance web canary weight 20",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}

	_, out, _ = i.sluice("status", "web", "-o", "json")
	var view release.View
	if err := json.Unmarshal([]byte(out), &view); err != nil || view.Name != "web" || view.Steps != 5 || len(view.Events) != 1 {
		t.Errorf("%v: %s", err, out)
	}
	if code, out, _ = i.sluice("status"); code != exitOK || !strings.Contains(out, "web    Progressing   2/5    20%      1/5") {
		t.Errorf("%d: %s", code, out)
	}
	if code, _, errs = i.sluice("status", "nobody"); code != exitFailed || !strings.Contains(errs, "has no Canary nobody") {
		t.Errorf("%d: %s", code, errs)
	}
	if out := i.completes("status", "w"); !strings.HasPrefix(out, "web\n") {
		t.Errorf("completion suggests %s", out)
	}
	if out := i.completes("status", "--namespace", i.namespace[:4]); !strings.Contains(out, i.namespace+"\n") {
		t.Errorf("completion suggests %s", out)
	}
}

// completes is what the shell is told of a line that is being typed.
func (i *installation) completes(line ...string) string {
	var out bytes.Buffer
	run(i.t.Context(), append([]string{"__complete", "--kubeconfig", i.kubeconfig, "-n", i.namespace}, line...),
		genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out})
	return out.String()
}

// TestStatusFollowsARelease changes the cluster while somebody watches through a pipe.
func TestStatusFollowsARelease(t *testing.T) {
	i := install(t)
	i.canary()
	ctx, stop := context.WithCancel(t.Context())
	out, done := &lines{}, make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"status", "web", "--watch", "--kubeconfig", i.kubeconfig, "-n", i.namespace},
			genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: out})
	}()
	see := func(word string, times int) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); out.count(word) < times; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not %d times %q in\n%s", times, word, out)
			}
		}
	}
	see("Advance web canary weight 20", 1)
	i.patchStatus(`{"status": {"canaryWeight": 30, "rollout": {"step": 3}}}`)
	see("step 3 of 5, canary weight 30%", 1)
	i.event("web.2", "Advance web canary weight 30")
	see("Advance web canary weight 30", 1)
	if n := out.count("Advance web canary weight 20"); n != 1 {
		t.Errorf("what did not change is told %d times:\n%s", n, out)
	}
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestStatusWithoutRights shows what may be seen, and says what may not.
func TestStatusWithoutRights(t *testing.T) {
	i := install(t)
	i.canary()
	realkube.Kubectl(t, i.config, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: sees-canaries}, rules: [{apiGroups: [flagger.app], resources: [canaries], verbs: [list]}]}`,
		"apply", "-f", "-")
	realkube.Kubectl(t, i.config, "", "create", "clusterrolebinding", "sees-canaries", "--clusterrole", "sees-canaries", "--user", "somebody")
	code, out, errs := i.sluice("status", "web", "--as", "somebody")
	if code != exitOK || !strings.Contains(out, "canary weight 20%") || !strings.Contains(errs, "warning: events cannot be read") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
}

func TestARedrawnLineFits(t *testing.T) {
	var out bytes.Buffer
	if err := redraw(&out, []string{red + "abcdef" + plain, "xy", "beyond"}, 4, 3); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, red+"abcd"+plain) || strings.Contains(got, "e") || strings.Contains(got, "beyond") {
		t.Errorf("%q", got)
	}
}
