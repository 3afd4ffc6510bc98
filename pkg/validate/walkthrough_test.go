package validate

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestWalkthroughHasOneRemark: of the demo's manifests, the rulebook has to say that CPU of whole pods counts the proxy, of
// the autoscaler and of the Canary that names it, and nothing else, although all that is not among them does not exist.
func TestWalkthroughHasOneRemark(t *testing.T) {
	var known []string
	for _, kind := range Kinds() {
		known = append(known, kind.Name)
	}
	index := NewIndex(known...)
	files, _ := filepath.Glob(filepath.Join("..", "..", "config", "demo", "*.yaml"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			var head metav1.TypeMeta
			if err := yaml.Unmarshal(doc, &head); err != nil {
				t.Fatal(err)
			}
			if _, known := KindOf(head.GroupVersionKind().GroupKind()); !known {
				continue
			}
			kind, object, _ := decodeStrict(t, doc)
			index.Set(kind.Name, object)
		}
	}
	remarks := 0
	for _, judged := range Survey(index, World{At: Lint}) {
		for _, finding := range judged.Findings {
			remarks++
			if finding.Rule != "SL011" || finding.Severity != Warn {
				t.Errorf("%s: %s: %s", judged.Object, finding.Severity, finding)
			}
		}
	}
	if remarks != 2 {
		t.Errorf("%d remarks, want SL011 twice", remarks)
	}
}
