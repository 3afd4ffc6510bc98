package rulebook

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPagesAreUpToDate: docs/rules is what the table and its cases say.
func TestPagesAreUpToDate(t *testing.T) {
	const docs = "../../docs/rules"
	pages, err := Pages("../../pkg/validate/testdata")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil || string(got) != want {
			t.Errorf("docs/rules/%s is not what the rulebook says (%v); run go generate ./test/rulebook", name, err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(docs, "*"))
	if len(files) != len(pages) {
		t.Errorf("docs/rules has %d pages, the rulebook %d", len(files), len(pages))
	}
}
