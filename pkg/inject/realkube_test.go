package inject

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

// refused are the cases whose pod no API server takes, and why.
var refused = map[string]string{
	"node-unsupported": "Not found", // a mount of a volume that is not there, which we warn of
}

// TestAPIServerTakesThePods shows every injected pod of the goldens to a real API server, and injects what it made of
// it again: its defaults must not look like a pod without a proxy, because a webhook may be called twice.
func TestAPIServerTakesThePods(t *testing.T) {
	config := realkube.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := realkube.Namespace(t, config, nil)
	inputs, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range inputs {
		name := strings.TrimSuffix(filepath.Base(path), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			in, out := readCase(t, path)
			if !out.Decision.Inject || out.Pod == nil {
				t.Skip("not injected")
			}
			var pod corev1.Pod
			if err := json.Unmarshal(out.Pod, &pod); err != nil {
				t.Fatal(err)
			}
			// The admission plugin ServiceAccount does this before webhooks are called; this API server runs without it.
			if pod.Spec.ServiceAccountName == "" {
				pod.Spec.ServiceAccountName = "default"
			}
			made, err := client.CoreV1().Pods(namespace).Create(t.Context(), &pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if why, ok := refused[name]; ok {
				if err == nil || !strings.Contains(err.Error(), why) {
					t.Fatalf("got %v, want a refusal that says %q", err, why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(made)
			if err != nil {
				t.Fatal(err)
			}
			config := testConfig()
			if err := yaml.UnmarshalStrict(in.Config, &config); in.Config != nil && err != nil {
				t.Fatal(err)
			}
			again, err := Decode(raw, in.Namespace.Name)
			if err != nil {
				t.Fatal(err)
			}
			index, _ := in.index()
			checkIdempotent(t, raw, in.Namespace.Name, Decide(again, in.Namespace.Labels, index, config).Target, config)
		})
	}
}

func readCase(t *testing.T, path string) (in goldenInput, out goldenOutput) {
	t.Helper()
	for file, into := range map[string]any{path: &in, strings.TrimSuffix(path, ".in.yaml") + ".out.yaml": &out} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return in, out
}
