package audit

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestWhatIsNoChange: most events tell nothing that a rule could want to know.
func TestWhatIsNoChange(t *testing.T) {
	scaler, workload := watched{status: []string{"conditions", "currentReplicas"}}, watched{}
	for name, tc := range map[string]struct {
		kind          watched
		before, after string
		want          bool
	}{
		"a count in a status":               {workload, `{metadata: {generation: 1}, spec: {a: 1}, status: {n: 1}}`, `{metadata: {generation: 1}, spec: {a: 1}, status: {n: 2}}`, true},
		"another version of the same":       {workload, `{metadata: {resourceVersion: "1"}, spec: {a: 1}}`, `{metadata: {resourceVersion: "2"}, spec: {a: 1}}`, true},
		"a generation":                      {workload, `{metadata: {generation: 1}, spec: {a: 1}}`, `{metadata: {generation: 2}, spec: {a: 2}}`, false},
		"a spec without generations":        {workload, `{spec: {a: 1}}`, `{spec: {a: 2}}`, false},
		"a field that is gone":              {workload, `{data: {a: 1}}`, `{}`, false},
		"a label":                           {workload, `{metadata: {labels: {a: b}}}`, `{metadata: {labels: {a: c}}}`, false},
		"a reason to be exempt":             {workload, `{metadata: {generation: 1}}`, `{metadata: {generation: 1, annotations: {sluice.dev/exempt: "SL004: so"}}}`, false},
		"its end":                           {workload, `{metadata: {generation: 1}}`, `{metadata: {generation: 1, deletionTimestamp: "2026-11-25T12:00:00Z"}}`, false},
		"another object of the name":        {workload, `{metadata: {uid: a}}`, `{metadata: {uid: b}}`, false},
		"what an autoscaler measures":       {scaler, `{status: {currentMetrics: [1]}}`, `{status: {currentMetrics: [2]}}`, true},
		"what an autoscaler complains of":   {scaler, `{status: {conditions: [{type: A}]}}`, `{status: {conditions: [{type: B}]}}`, false},
		"how many pods an autoscaler wants": {scaler, `{status: {currentReplicas: 2}}`, `{status: {currentReplicas: 4}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.kind.same(parse(t, tc.before), parse(t, tc.after)); got != tc.want {
				t.Errorf("same: %v, want %v", got, tc.want)
			}
		})
	}
	meta := func(value string) client.Object {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"mesh": value}, ResourceVersion: value}}
	}
	if workload.same(meta("a"), meta("b")) || !workload.same(meta("a"), meta("a")) {
		t.Error("of metadata the labels count")
	}
}
