package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestInjectIsTheSameInEveryForm: the demo as people wrote it, and the same as JSON, which another library edits, become
// the same objects.
func TestInjectIsTheSameInEveryForm(t *testing.T) {
	var converted bytes.Buffer
	files, err := filepath.Glob("../../config/demo/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(text), "\n---\n") {
			value, err := yaml.YAMLToJSON([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			converted.Write(value)
		}
	}
	printed := func(stdin string, args ...string) []any {
		var out, errs bytes.Buffer
		code := run(context.Background(), append([]string{"inject", "-o", "json"}, args...),
			genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &out, ErrOut: &errs})
		if code != exitFound { // podinfo's virtual node is made by its Canary
			t.Fatalf("exit code %d\n%s", code, errs.String())
		}
		var objects []any
		for decoder := json.NewDecoder(&out); decoder.More(); {
			var o any
			if err := decoder.Decode(&o); err != nil {
				t.Fatal(err)
			}
			objects = append(objects, o)
		}
		return objects
	}
	fromYAML, fromJSON := printed("", "-f", "../../config/demo"), printed(converted.String(), "-f", "-")
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("(-from JSON +from YAML)\n%s", diff)
	}
	if text, _ := json.Marshal(fromYAML); !strings.Contains(string(text), "proxyinit") {
		t.Error("nothing was injected")
	}
}

// TestInjectFromTheCluster: mesh and settings are those of a real API server.
func TestInjectFromTheCluster(t *testing.T) {
	i := install(t)
	system := realkube.Namespace(t, i.config, nil)
	labels := map[string]string{labelName: sluice.WebhookService}
	webhook := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: sluice.WebhookService, Labels: labels}}
	webhook.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	webhook.Spec.Template.Labels = labels
	webhook.Spec.Template.Spec.Containers = []corev1.Container{{Name: "webhook", Image: "sluice", Args: []string{"--proxy-image=proxy.example.com/proxy:v1", "--log-level=debug"}}}
	file := filepath.Join(t.TempDir(), "pod.yaml")
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: app, labels: {app: app}}\nspec:\n  containers: [{name: app, image: app}]\n"
	if err := os.WriteFile(file, []byte(pod), 0o600); err != nil {
		t.Fatal(err)
	}
	inject := func() (int, string, string) {
		return i.sluice("inject", "-f", file, "--from-cluster", "--sluice-namespace", system)
	}
	if code, stdout, stderr := inject(); code != exitFailed || stdout != "" || !strings.Contains(stderr, "read the webhook's settings: namespace "+system+" has no Deployment sluice-webhook") {
		t.Errorf("without the webhook: exit code %d, %q", code, stdout+stderr)
	}
	if _, err := i.kube.AppsV1().Deployments(system).Create(t.Context(), webhook, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := inject(); code != exitOK || stdout != pod || !strings.Contains(stderr, "(NotOptedIn)") {
		t.Errorf("nobody opted in: exit code %d, %q", code, stdout+stderr)
	}
	patch := []byte(`{"metadata": {"labels": {"appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}}}`)
	if _, err := i.kube.CoreV1().Namespaces().Patch(t.Context(), i.namespace, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := inject()
	if code != exitOK || !strings.Contains(stdout, "image: proxy.example.com/proxy:v1") || !strings.Contains(stderr, "as VirtualNode/"+i.namespace+"/app (Injected)") {
		t.Errorf("exit code %d, %q", code, stdout+stderr)
	}
	// What is printed can be applied.
	var injected corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(stdout), &injected); err != nil {
		t.Fatal(err)
	}
	injected.Spec.ServiceAccountName = "app"
	if _, err := i.kube.CoreV1().Pods(i.namespace).Create(t.Context(), &injected, metav1.CreateOptions{}); err != nil {
		t.Error(err)
	}
}
