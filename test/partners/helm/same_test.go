package helm

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestSameAsKustomize: whoever installs by kubectl and whoever installs by Helm get the same objects.
func TestSameAsKustomize(t *testing.T) {
	for name, c := range map[string]struct {
		// components are those of config/ that an overlay takes beside config/default.
		components []string
		values     string
	}{
		"default":                          {},
		"with the CNI plugin":              {components: []string{"cni/component"}, values: "cni: {enabled: true}"},
		"pods are created without webhook": {components: []string{"components/fail-open"}, values: "failurePolicy: {pods: Ignore}"},
		"high availability": {components: []string{"components/high-availability"},
			values: "replicaCount: 3\nleaderElection: {replicaCount: 2}"},
		"certificates by cert-manager": {components: []string{"components/cert-manager"}, values: "enableCertManager: true"},
		"a Prometheus and boards":      {components: []string{"components/telemetry"}, values: "prometheus: {install: true}\ndashboards: {enabled: true}"},
		"the Prometheus Operator": {components: []string{"components/prometheus-operator"},
			values: "podMonitor: {enabled: true}\nprometheusRule: {enabled: true}\ndashboards: {enabled: true}"},
		"all at once": {components: []string{"components/cert-manager", "cni/component", "components/high-availability", "components/telemetry"},
			values: "replicaCount: 3\nleaderElection: {replicaCount: 2}\ncni: {enabled: true}\nenableCertManager: true\nprometheus: {install: true}\ndashboards: {enabled: true}"},
	} {
		t.Run(name, func(t *testing.T) {
			want := objects(t, overlay(t, c.components...))
			for version := range versions {
				got := objects(t, render(t, version, c.values))
				for _, key := range slices.Sorted(maps.Keys(want)) {
					if got[key] == nil {
						t.Errorf("%s: the chart lacks %s: list its folder in charts/gen, print it in a template of charts/sluice, and run `make generate`", version, key)
					} else if diff := cmp.Diff(want[key], got[key]); diff != "" {
						t.Errorf("%s: %s differs (-config +chart): change config/ and run `make generate`, or make a template of charts/sluice do what the component does\n%s", version, key, diff)
					}
					delete(got, key)
				}
				for key := range got {
					t.Errorf("%s: the chart has %s besides: add it to config/, or to the component that this case compares with", version, key)
				}
			}
		})
	}
}

// overlay renders config/default with components.
func overlay(t *testing.T, components ...string) string {
	t.Helper()
	if len(components) == 0 {
		return realkube.Kustomize(t, filepath.Join(config, "default"))
	}
	absolute, err := filepath.Abs(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	up, err := filepath.Rel(dir, absolute)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range components {
		list = append(list, filepath.Join(up, c))
	}
	text := fmt.Sprintf("resources: [%s]\ncomponents: [%s]\n", filepath.Join(up, "default"), strings.Join(list, ", "))
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return realkube.Kustomize(t, dir)
}

// objects reads a stream of manifests, by kind and name, without what only one of the two ways can have: the namespace
// itself and the definitions, which Helm takes from elsewhere (TestDefinitions), and the labels that say who installed.
func objects(t *testing.T, manifests string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for text := range strings.SplitSeq(manifests, "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if object == nil {
			continue
		}
		u := unstructured.Unstructured{Object: object}
		key := strings.TrimPrefix(fmt.Sprintf("%s %s/%s", u.GetKind(), u.GetNamespace(), u.GetName()), "/")
		if u.GetKind() == "CustomResourceDefinition" || key == "Namespace /"+namespace {
			continue
		}
		labels := u.GetLabels()
		for _, own := range []string{"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of"} {
			delete(labels, own)
		}
		if len(labels) == 0 {
			labels = nil // none at all
		}
		u.SetLabels(labels)
		sortArguments(u)
		if all[key] != nil {
			t.Fatalf("%s twice", key)
		}
		all[key] = object
	}
	return all
}

// sortArguments puts flags in order, as theirs means nothing.
func sortArguments(u unstructured.Unstructured) {
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if args, ok := c.(map[string]any)["args"].([]any); ok {
			slices.SortFunc(args, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
	}
	if containers != nil {
		_ = unstructured.SetNestedSlice(u.Object, containers, "spec", "template", "spec", "containers")
	}
}

// TestTheDemoIsTheSame: what the chart brings of the demo is all of it but the application and its release.
func TestTheDemoIsTheSame(t *testing.T) {
	want := objects(t, realkube.Kustomize(t, filepath.Join(config, "demo")))
	got := objects(t, render(t, "helm 4", "demo: {enabled: true}"))
	compared := 0
	for key := range want {
		if strings.HasSuffix(key, "/podinfo") {
			continue
		}
		compared++
		if diff := cmp.Diff(want[key], got[key]); diff != "" {
			t.Errorf("%s differs (-config +chart): run `make generate`, or list its file in charts/gen\n%s", key, diff)
		}
	}
	if compared < 8 {
		t.Errorf("only %d objects", compared)
	}
}
