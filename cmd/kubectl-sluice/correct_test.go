package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// corpus is where the correct releases and meshes are.
const corpus = "../../pkg/validate/testdata/correct"

// fewest is how many of them there are at least: a rule that raises a false alarm should meet one here.
const fewest = 40

// TestNoFalseAlarmInTheCorpus lints directories of manifests that are correct, each in the style of another team, as all that
// there is. None has an error, and it has just the warnings that a line "# warns: SL001 SL002" at the head of one of its
// files names: those are remarks on taste or on risk, and say something true.
func TestNoFalseAlarmInTheCorpus(t *testing.T) {
	dirs, err := os.ReadDir(corpus)
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < fewest {
		t.Errorf("%d directories, want %d at least", len(dirs), fewest)
	}
	for _, dir := range dirs {
		t.Run(dir.Name(), func(t *testing.T) {
			path := filepath.Join(corpus, dir.Name())
			want := announced(t, path)
			findings := lintJSON(t, "lint", "-f", path, "--complete", "-o", "json")
			var got []string
			for _, f := range findings {
				if f.Severity == "error" || !slices.Contains(want, f.Rule) {
					t.Errorf("false alarm: %s: %s: %s: %s", f.Severity, f.Rule, f.Path, f.Message)
				}
				got = append(got, f.Rule)
			}
			for _, f := range lintJSON(t, "lint", "-f", path, "-o", "json") {
				if f.Severity == "error" || !slices.Contains(want, f.Rule) {
					t.Errorf("false alarm where nothing else is known: %s: %s: %s: %s", f.Severity, f.Rule, f.Path, f.Message)
				}
			}
			for _, rule := range want {
				if !slices.Contains(got, rule) {
					t.Errorf("the files name a warning %s that does not come", rule)
				}
			}
		})
	}
}

// announced are the warnings that the files of a directory name.
func announced(t *testing.T, dir string) []string {
	t.Helper()
	var rules []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if named, ok := strings.CutPrefix(line, "# warns: "); ok {
				rules = append(rules, strings.Fields(named)...)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// lintJSON runs lint, which must be able to read all that it is given.
func lintJSON(t *testing.T, args ...string) []findingJSON {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs})
	var report struct{ Findings []findingJSON }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || errs.Len() > 0 || code == exitFailed {
		t.Fatalf("exit code %d, %v, %s", code, err, &errs)
	}
	return report.Findings
}
