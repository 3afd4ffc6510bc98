package main

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sluice-mesh/sluice/test/promises"
)

// TestSafetyDocument holds docs/injection-safety.md to the code; its cases are the golden ones of pkg/inject.
func TestSafetyDocument(t *testing.T) {
	promises.Page{
		Root: "../..", File: "injection-safety.md", Letter: "W", Lines: 32,
		Case:     regexp.MustCompile("`((?:node|gateway|skip|deny|error)-[a-z0-9-]+)`"),
		CasePath: func(name string) string { return filepath.Join("pkg", "inject", "testdata", name+".in.yaml") },
	}.Check(t)
}
