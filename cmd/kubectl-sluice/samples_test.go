package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// sampleCanary is what extracts of a Canary are extracts of.
const sampleCanary = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: sample, namespace: test}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: sample}
  service: {port: 80}
  analysis:
    interval: 1m
    threshold: 5
    stepWeight: 10
    metrics: [{name: request-success-rate, interval: 1m, thresholdRange: {min: 99}}]
`

// TestSamplesInTheDocs lints every sample of an object that the pages show, extracts of a Canary among them: they are correct,
// have no field that does not exist, and nothing is to be remarked on them.
func TestSamplesInTheDocs(t *testing.T) {
	pages, _ := filepath.Glob("../../docs/*.md")
	linted := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			for j, doc := range strings.Split(block, "\n---\n") {
				object := sampleObject(t, doc)
				if object == nil {
					continue
				}
				linted++
				file := filepath.Join(t.TempDir(), "sample.yaml")
				if err := os.WriteFile(file, object, 0o600); err != nil {
					t.Fatal(err)
				}
				at := fmt.Sprintf("%s: block %d, document %d", filepath.Base(page), i+1, j+1)
				for _, f := range lintJSON(t, "lint", "-f", file, "-o", "json") {
					t.Errorf("%s: %s: %s", at, f.Severity, f.Message)
				}
				for _, unknown := range validate.UnknownFields[canaryv1beta1.Canary](nil, object) {
					if bytes.Contains(object, []byte(`"kind":"Canary"`)) {
						t.Errorf("%s: %s", at, unknown)
					}
				}
			}
		}
	}
	if linted < 8 {
		t.Errorf("%d samples: the walk is broken", linted)
	}
}

// sampleObject makes an object of a document, as JSON: of an extract that begins at spec, analysis or metrics a whole Canary.
// It is nil for anything else.
func sampleObject(t *testing.T, doc string) []byte {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(doc))
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(raw, &top) != nil {
		return nil
	}
	_, apiVersion := top["apiVersion"]
	switch {
	case apiVersion:
		var head struct{ APIVersion, Kind string }
		if err := json.Unmarshal(raw, &head); err != nil {
			t.Fatal(err)
		}
		if _, known := validate.KindOf(schema.FromAPIVersionAndKind(head.APIVersion, head.Kind).GroupKind()); !known {
			return nil
		}
		return raw
	case top["spec"] != nil:
	case top["analysis"] != nil:
		raw = fmt.Appendf(nil, `{"spec":%s}`, raw)
	case top["metrics"] != nil:
		raw = fmt.Appendf(nil, `{"spec":{"analysis":%s}}`, raw)
	default:
		return nil
	}
	whole, err := yaml.YAMLToJSON([]byte(sampleCanary))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(doc, "iterations:") {
		whole = bytes.Replace(whole, []byte(`"stepWeight":10,`), nil, 1)
	}
	if whole, err = jsonpatch.MergePatch(whole, raw); err != nil {
		t.Fatal(err)
	}
	return whole
}
