package conformance

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// TestNoFalseAlarm lints every Canary that Flagger's own module shows its users, in manifests and in tutorials, as far as it
// is for a provider that we serve or leaves the provider open: none of them may have an error.
func TestNoFalseAlarm(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/fluxcd/flagger").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(dir))
	linted := 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".yaml", ".yml", ".md":
		default:
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, doc := range examples(path, text) {
			canary := &canaryv1beta1.Canary{}
			if yaml.Unmarshal(doc, canary) != nil || canary.Kind != "Canary" || canary.Spec.TargetRef.Kind == "" {
				continue // not YAML, or an extract
			}
			switch canary.Spec.Provider {
			case "", canaryv1beta1.ProviderAppMesh, canaryv1beta1.ProviderAppMeshV1Beta2, canaryv1beta1.ProviderKubernetes:
			default:
				continue
			}
			linted++
			for _, message := range validate.Denied(validate.Canary(nil, canary, validate.World{At: validate.Lint, Cluster: validate.NewIndex()})) {
				rel, _ := filepath.Rel(root, path)
				t.Errorf("%s: Canary %s: %s", rel, canary.Name, message)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if linted < 10 {
		t.Fatalf("only %d Canaries were found: the walk is broken", linted)
	}
	t.Logf("%d Canaries", linted)
}

// examples gives the documents of a file: of a page, those in its blocks of code.
func examples(path string, text []byte) [][]byte {
	if filepath.Ext(path) != ".md" {
		return bytes.Split(text, []byte("\n---\n"))
	}
	var out [][]byte
	for i, block := range bytes.Split(text, []byte("```")) {
		if _, content, ok := bytes.Cut(block, []byte("\n")); ok && i%2 == 1 {
			out = append(out, bytes.Split(content, []byte("\n---\n"))...)
		}
	}
	return out
}
