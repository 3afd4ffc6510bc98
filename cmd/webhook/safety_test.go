package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A reference of the document: a test of a package, a golden case of pkg/inject, or a page of decisions.
var (
	testReference     = regexp.MustCompile("`((?:pkg|cmd|test)/[a-z0-9/-]+)\\.((?:Test|Fuzz|Benchmark)[A-Za-z0-9]+)`")
	caseReference     = regexp.MustCompile("`((?:node|gateway|skip|deny|error)-[a-z0-9-]+)`")
	decisionReference = regexp.MustCompile(`\]\((adr/[a-z0-9-]+\.md)\)`)
)

// TestSafetyDocument holds docs/injection-safety.md to the code: every line is there once, and names something that exists
// and shows it, or says what is missing.
func TestSafetyDocument(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs", "injection-safety.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| W") {
			continue
		}
		lines++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if name := fmt.Sprintf("W%d", lines); len(cells) != 4 || strings.TrimSpace(cells[0]) != name {
			t.Fatalf("want the line %s with four columns, got %s", name, line)
		}
		shown := cells[3]
		tests, cases, decisions := testReference.FindAllStringSubmatch(shown, -1), caseReference.FindAllStringSubmatch(shown, -1), decisionReference.FindAllStringSubmatch(shown, -1)
		if len(tests)+len(cases)+len(decisions) == 0 && !strings.Contains(shown, "not yet") {
			t.Errorf("W%d: nothing shows it, and it does not say so", lines)
		}
		if got, want := len(tests)+len(cases), strings.Count(shown, "`")/2; got != want {
			t.Errorf("W%d: only %d of its %d references are understood: %s", lines, got, want, shown)
		}
		for _, r := range tests {
			if !hasTest(t, filepath.Join(root, r[1]), r[2]) {
				t.Errorf("W%d: %s has no %s", lines, r[1], r[2])
			}
		}
		for _, r := range cases {
			exists(t, lines, filepath.Join(root, "pkg", "inject", "testdata", r[1]+".in.yaml"))
		}
		for _, r := range decisions {
			exists(t, lines, filepath.Join(root, "docs", r[1]))
		}
	}
	if lines != 32 {
		t.Errorf("%d lines", lines)
	}
}

// hasTest reads the sources, because tests of the real cluster are compiled on demand only.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

func exists(t *testing.T, line int, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("W%d: %v", line, err)
	}
}
