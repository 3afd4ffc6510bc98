// Package promises holds a page of promises to the code: a table goes in whose lines say what shows that they are kept, and
// what it names and nobody has comes out as failures of the test.
package promises

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Page is a page with one table of promises, four columns wide; the last says what shows them.
type Page struct {
	// Root is the repository, File the page below docs.
	Root, File string
	// Letter begins the names of the lines, which are counted from 1: W1, W2.
	Letter string
	// Lines is how many there are.
	Lines int
	// Case matches the reference to a case, beside those to tests and decisions that all pages have; CasePath is its file.
	Case     *regexp.Regexp
	CasePath func(name string) string
}

// References that all pages have: a test of a package, and a page of decisions.
var (
	testReference     = regexp.MustCompile("`((?:pkg|cmd|test)/[a-z0-9/-]+)\\.((?:Test|Fuzz|Benchmark)[A-Za-z0-9]+)`")
	decisionReference = regexp.MustCompile(`\]\((adr/[a-z0-9-]+\.md)\)`)
)

// Check fails unless every line of the page is there once, and names something that exists and shows it, or says what is
// missing.
func (p Page) Check(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.Root, "docs", p.File))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| "+p.Letter) {
			continue
		}
		lines++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		name := fmt.Sprintf("%s%d", p.Letter, lines)
		if len(cells) != 4 || strings.TrimSpace(cells[0]) != name {
			t.Fatalf("want the line %s with four columns, got %s", name, line)
		}
		for _, problem := range p.line(cells[3]) {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if lines != p.Lines {
		t.Errorf("%d lines, want %d", lines, p.Lines)
	}
}

// line says what is wrong with what shows one promise.
func (p Page) line(shown string) []string {
	var out []string
	tests, cases, decisions := testReference.FindAllStringSubmatch(shown, -1), p.Case.FindAllStringSubmatch(shown, -1), decisionReference.FindAllStringSubmatch(shown, -1)
	if len(tests)+len(cases)+len(decisions) == 0 && !strings.Contains(shown, "not yet") {
		out = append(out, "nothing shows it, and it does not say so")
	}
	if got, want := len(tests)+len(cases), strings.Count(shown, "`")/2; got != want {
		out = append(out, fmt.Sprintf("only %d of its %d references are understood: %s", got, want, shown))
	}
	for _, r := range tests {
		if !hasTest(filepath.Join(p.Root, r[1]), r[2]) {
			out = append(out, r[1]+" has no "+r[2])
		}
	}
	var files []string
	for _, r := range cases {
		files = append(files, filepath.Join(p.Root, p.CasePath(r[1])))
	}
	for _, r := range decisions {
		files = append(files, filepath.Join(p.Root, "docs", r[1]))
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			out = append(out, err.Error())
		}
	}
	return out
}

// hasTest reads the sources, because tests of the real cluster are compiled on demand only.
func hasTest(folder, name string) bool {
	files, _ := filepath.Glob(filepath.Join(folder, "*_test.go")) // the pattern is well formed
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
