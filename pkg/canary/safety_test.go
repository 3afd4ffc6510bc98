package canary

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// References of the document: a test of a package, a film, a page of decisions.
var (
	testReference     = regexp.MustCompile("`((?:pkg|cmd|test)/[a-z0-9/-]+)\\.((?:Test|Fuzz|Benchmark)[A-Za-z0-9]+)`")
	filmReference     = regexp.MustCompile("`([a-z_]+\\.txtar)`")
	decisionReference = regexp.MustCompile(`\]\((adr/[a-z0-9-]+\.md)\)`)
)

// TestSafetyDocument holds docs/canary-safety.md to the code: every line is there once, and names something that exists
// and shows it, or says what is missing.
func TestSafetyDocument(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs", "canary-safety.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| F") {
			continue
		}
		lines++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if name := fmt.Sprintf("F%d", lines); len(cells) != 4 || strings.TrimSpace(cells[0]) != name {
			t.Fatalf("want the line %s with four columns, got %s", name, line)
		}
		shown := cells[3]
		tests, films := testReference.FindAllStringSubmatch(shown, -1), filmReference.FindAllStringSubmatch(shown, -1)
		decisions := decisionReference.FindAllStringSubmatch(shown, -1)
		if len(tests)+len(films)+len(decisions) == 0 && !strings.Contains(shown, "not yet") {
			t.Errorf("F%d: nothing shows it, and it does not say so", lines)
		}
		if got, want := len(tests)+len(films), strings.Count(shown, "`")/2; got != want {
			t.Errorf("F%d: only %d of its %d references are understood: %s", lines, got, want, shown)
		}
		for _, r := range tests {
			if !declares(t, filepath.Join(root, r[1]), r[2]) {
				t.Errorf("F%d: %s has no %s", lines, r[1], r[2])
			}
		}
		for _, r := range films {
			mustExist(t, lines, filepath.Join("testdata", r[1]))
		}
		for _, r := range decisions {
			mustExist(t, lines, filepath.Join(root, "docs", r[1]))
		}
	}
	if lines != 32 {
		t.Errorf("%d lines", lines)
	}
}

func declares(t *testing.T, folder, name string) bool {
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

func mustExist(t *testing.T, line int, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("F%d: %v", line, err)
	}
}
