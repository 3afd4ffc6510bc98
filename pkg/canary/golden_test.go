package canary

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/test/golden"
)

// options of a case are a document of its input.
type options struct {
	Weight      int // the canary's, in percent
	Matched     int // the same of what an A/B test matches
	Mirror      int // how much is copied, in percent
	Cookies     Cookies
	MinReplicas int32  // the primary's floor
	Revision    string // that the primary gets

	SelectorLabels, LabelPrefixes []string // as the installation sets them

	Configs map[string]string // the primary's copies, by the keys of their sources
}

// TestBuilders builds everything that a Canary stands for: testdata/build/<case>.in.yaml -> <case>.out.yaml.
// The input holds the Canary, its Deployment, and where the case needs them an autoscaler, the primary as it is, and options.
func TestBuilders(t *testing.T) {
	files := golden.Files{In: "testdata/build/*.in.yaml", InSuffix: ".in.yaml", Out: "testdata/build"}
	golden.RunFiles(t, files, func(t *testing.T, in []byte) []byte {
		return []byte(printed(t, build(t, documents(t, in))))
	})
}

func build(t *testing.T, docs map[string]map[string]any) []any {
	c, o := &canaryv1beta1.Canary{}, options{Revision: "0123456789abcdef"}
	strict(t, docs["Canary"], c)
	strict(t, docs["Options"], &o)
	target, name := TargetOf(c), c.Spec.TargetRef.Kind
	if name == canaryv1beta1.TargetKindDeployment {
		strict(t, docs[name], &appsv1.Deployment{})
	}
	pods, err := target.Pods(docs[name], o.SelectorLabels)
	if err != nil {
		return []any{map[string]any{"error": err.Error()}}
	}
	var out []any
	for _, vn := range VirtualNodes(c, pods) {
		out = append(out, vn)
	}
	weights := Weights{Primary: 100 - o.Weight, Canary: o.Weight, Matched: o.Matched, Mirror: o.Mirror, Cookies: o.Cookies}
	for i, vr := range VirtualRouters(c, pods, weights) {
		out = append(out, vr)
		if w := WeightsOf(c, vr); i == 0 && (w == nil || *w != weights) {
			t.Errorf("weights are written as %v and read as %v", weights, w)
		}
	}
	for _, vs := range VirtualServices(c) {
		out = append(out, vs)
	}
	if pods.Cloned != nil {
		out = append(out, ClonedService(c, pods))
	} else {
		for _, svc := range Services(c, pods) {
			out = append(out, svc)
		}
	}
	src := PrimarySource{
		Target: docs[name], Template: target.Content(docs[name]), Revision: o.Revision,
		Current: docs[name+"-primary"], MinReplicas: o.MinReplicas, LabelPrefixes: o.LabelPrefixes, Configs: o.Configs,
	}
	before := printed(t, docs)
	out = append(out, target.Primary(c, pods, src))
	for _, scaler := range Scalers() {
		object := docs[scaler.GroupVersionKind().Kind]
		if object == nil {
			continue
		}
		var floor *int32
		if o.MinReplicas > 0 {
			floor = &o.MinReplicas
		}
		out = append(out, scaler.Primary(c, object, floor))
	}
	if diff := cmp.Diff(before, printed(t, docs)); diff != "" {
		t.Errorf("a builder changed its input:\n%s", diff)
	}
	return out
}

// documents reads a multi-document file by kind. A second workload of a kind is the primary as it is.
func documents(t *testing.T, data []byte) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, doc := range strings.Split(string(data), "\n---\n") {
		var m map[string]any
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatal(err)
		}
		kind := m["kind"].(string)
		if out[kind] != nil {
			kind += "-primary"
		}
		out[kind] = m
	}
	return out
}

func strict(t *testing.T, doc map[string]any, into any) {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := into.(*options); ok {
		delete(doc, "kind")
		b, _ = json.Marshal(doc)
	}
	// Deployments hold a field from the future in some cases, so they are not strict.
	read := yaml.UnmarshalStrict
	if _, ok := into.(*appsv1.Deployment); ok {
		read = yaml.Unmarshal
	}
	if err := read(b, into); err != nil {
		t.Fatal(err)
	}
}

func printed(t *testing.T, v any) string {
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
