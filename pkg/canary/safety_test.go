package canary

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sluice-mesh/sluice/test/promises"
)

// TestSafetyDocument holds docs/canary-safety.md to the code; its cases are films.
func TestSafetyDocument(t *testing.T) {
	promises.Page{
		Root: "../..", File: "canary-safety.md", Letter: "F", Lines: 32,
		Case:     regexp.MustCompile("`([a-z_]+\\.txtar)`"),
		CasePath: func(name string) string { return filepath.Join("pkg", "canary", "testdata", name) },
	}.Check(t)
}
