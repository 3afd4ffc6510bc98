package inject

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// FuzzDecode holds the law that makes the cursor safe: what it reads of a pod is what the ordinary way reads, unless a name
// is there twice, which the API server never writes.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var in goldenInput
		if err := yaml.Unmarshal(text, &in); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(in.Pod))
	}
	for _, text := range []string{
		``, `null`, `{}`, `{"metadata":null,"spec":{}}`, `{"metadata":{},"spec":{}} `, `{"metadata":{},"spec":{}}}`, `{"metadata":{},"spec":{},}`,
		`{"metadata":{"name":null,"labels":null,"annotations":{"a":null}},"spec":{"containers":null,"initContainers":[],"volumes":[null]}}`,
		`{"metadata":{"Name":"x","na\u006de":"y","labels":{"\u0061":"\"\\","ä":"ö"}},"spec":{"containers":[{"name":"a","env":[{"name":"}"}]},]}}`,
		`{"metadata":{"name":5},"spec":{"hostNetwork":true,"os":{"name":"windows"},"securityContext":{"runAsUser":1337}}}`,
		"{ \"metadata\" : { \"name\" : \"a\" } ,\n\t\"spec\" : { \"containers\" : [ { \"name\" : \"b\" , \"env\" : [ ] } ] } }",
		`{"metadata":{},"spec":{"containers":[{"name":"a" "b"}]}}`, `{"metadata":{},"spec":{"containers":[{"name":"a","args":[}]}]}}`, `{"metadata":{},"spec":{"x":`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		pod := &Pod{}
		c := NewCursor(raw)
		if !pod.read(c) || !c.Done() {
			return // the ordinary way reads it
		}
		var want struct {
			Metadata *podMetadata `json:"metadata"`
			Spec     *podSpec     `json:"spec"`
		}
		if twice, err := kjson.UnmarshalStrict(raw, &want, kjson.DisallowDuplicateFields); err != nil || len(twice) > 0 {
			return // of what is skipped the cursor knows nothing
		}
		if want.Metadata == nil || want.Spec == nil {
			t.Fatalf("read %+v from %s", pod, raw)
		}
		if diff := cmp.Diff(&Pod{Metadata: *want.Metadata, Spec: *want.Spec}, pod); diff != "" {
			t.Errorf("%s: (-ordinary +cursor)\n%s", raw, diff)
		}
	})
}

// TestCursorReadsThePodsOfTheAPIServer: the fast way is the one that is taken.
func TestCursorReadsThePodsOfTheAPIServer(t *testing.T) {
	c := NewCursor(podWith(3, 56))
	if pod := (&Pod{}); !pod.read(c) || !c.Done() || len(pod.Spec.Containers) != 3 || len(pod.Spec.Containers[0].Env) == 0 {
		t.Errorf("read %+v", pod)
	}
}
