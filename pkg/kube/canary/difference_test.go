package canary

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, kind schema.GroupVersionKind, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]any{}
	if err := yaml.Unmarshal(data, &built); err != nil {
		t.Fatal(err)
	}
	built["apiVersion"], built["kind"] = kind.GroupVersion().String(), kind.Kind
	u, err := content(built)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDifference(t *testing.T) {
	cases := map[string]struct {
		kind       schema.GroupVersionKind
		live, want string
		patch      string
	}{
		"the same is no difference": {
			kindVirtualRouter,
			"spec: {routes: [{name: a}], awsName: x}",
			"spec: {routes: [{name: a}]}",
			"",
		},
		"a list is replaced as a whole": {
			kindVirtualRouter,
			"spec: {routes: [{name: a}]}",
			"spec: {routes: [{name: a, priority: 1}]}",
			"spec: {routes: [{name: a, priority: 1}]}",
		},
		"what we no longer want of ours goes, what is not ours stays": {
			kindVirtualNode,
			"spec: {podSelector: {matchLabels: {app: a, old: b}}, backends: [{x: 1}], awsName: mine, backendDefaults: {}}",
			"spec: {podSelector: {matchLabels: {app: a}}}",
			"spec: {podSelector: {matchLabels: {old: null}}, backends: null}",
		},
		"labels and annotations are ours key by key, which is what service.unmanagedMetadata asks for": {
			kindService,
			"{metadata: {labels: {theirs: x, ours: old}}, spec: {selector: {app: a}}}",
			"{metadata: {labels: {ours: new}, annotations: {a: b}}, spec: {selector: {app: a}}}",
			"metadata: {labels: {ours: new}, annotations: {a: b}}",
		},
		"absent and empty are the same": {
			kindDeployment,
			"spec: {template: {spec: {securityContext: {}, containers: [{name: a}]}}}",
			"spec: {template: {spec: {containers: [{name: a}]}}}",
			"",
		},
		"a field that left the template is removed": {
			kindDeployment,
			"spec: {replicas: 2, template: {spec: {serviceAccountName: a, containers: [{name: a}]}}}",
			"spec: {replicas: 2, template: {spec: {containers: [{name: a}]}}}",
			"spec: {template: {spec: {serviceAccountName: null}}}",
		},
		"ports of a Service keep what the API server added": {
			kindService,
			"spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: 80, protocol: TCP, nodePort: 30000}]}",
			"spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: 80}]}",
			"",
		},
		"a port that changes keeps its node port": {
			kindService,
			"spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: 80, nodePort: 30000}]}",
			"spec: {selector: {app: a}, ports: [{name: http, port: 81, targetPort: 80}]}",
			"spec: {ports: [{name: http, port: 81, targetPort: 80, nodePort: 30000}]}",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			live, want := parse(t, tc.kind, tc.live), parse(t, tc.kind, tc.want)
			got := difference(live, completed(want, live))
			var patch map[string]any
			if tc.patch != "" {
				patch = parse(t, tc.kind, tc.patch).Object
				delete(patch, "apiVersion")
				delete(patch, "kind")
			}
			if diff := cmp.Diff(patch, got); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}
