package xds_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/fields"
	"github.com/sluice-mesh/sluice/test/golden"
)

var root = filepath.Join("..", "..")

// TestEveryRowHasACase fails on a new field of the API until somebody decides what becomes of it.
func TestEveryRowHasACase(t *testing.T) {
	table, err := fields.NewTable(root, fields.Meshes)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range table.Faults(root) {
		t.Error(fault)
	}
	for kind, suite := range suites(t) {
		for _, c := range suite.Cases {
			if c.Kind() != kind {
				t.Errorf("%s: %s belongs into %s", kind, c, c.File())
			}
		}
	}
}

// printedCase is a case in a golden file.
type printedCase struct {
	Case     string                       `json:"case"`
	Envoy    map[string]fields.Difference `json:"envoy,omitempty"`
	Problems []string                     `json:"problems,omitempty"`
}

// rowPairs are the cases of each kind and what the twins differ in.
var rowPairs = golden.Files{
	In: filepath.Join(root, fields.Meshes.Dir, "*.in.yaml"), InSuffix: ".in.yaml", Out: filepath.Join(root, fields.Meshes.Dir),
}

// TestRowsBecomeWhatTheirCasesSay holds each case to what it says, and both twins to the golden file.
func TestRowsBecomeWhatTheirCasesSay(t *testing.T) {
	golden.RunFiles(t, rowPairs, func(t *testing.T, in []byte) []byte {
		suite, err := fields.Parse(in, fields.Meshes)
		if err != nil {
			t.Fatal(err)
		}
		var all []printedCase
		for _, c := range suite.Cases {
			if c.With != nil {
				all = append(all, try(t, suite.World, c))
			}
		}
		text, err := yaml.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
}

func try(t *testing.T, w fields.World, c fields.Case) printedCase {
	t.Helper()
	with, without, err := outcomes(w, c)
	if err != nil {
		t.Errorf("%s: %v", c, err)
		return printedCase{}
	}
	a, err := with.Tree()
	if err != nil {
		t.Fatal(err)
	}
	b, err := without.Tree()
	if err != nil {
		t.Fatal(err)
	}
	out := printedCase{Case: c.String(), Envoy: fields.Differences(a, b)}
	for _, p := range with.Problems {
		if !about(p, c) {
			t.Errorf("%s: a problem that the case is not about: %s %v", c, p.Object, p.Err)
			continue
		}
		// Admission warns for this reason, and refuses for most of the others.
		if c.Warns != "" && c.When == "" && p.Reason != mesh.ReasonNotHonoured {
			t.Errorf("%s: the problem's reason is %s, so the row is not just warned about", c, p.Reason)
		}
		out.Problems = append(out.Problems, p.Err.Detail)
	}
	judge(t, c, out)
	for path, d := range out.Envoy {
		if whole.MatchString(path) || isLarge(d.With) || isLarge(d.Without) {
			out.Envoy[path] = fields.Difference{With: d.With != nil, Without: d.Without != nil}
		}
	}
	return out
}

// whole is the path of a proxy or a resource that only one twin has. What is in it is in the golden files of TestTranslate.
var whole = regexp.MustCompile(`^[^.]*(\.\w+\[[^]]*\])?$`)

// isLarge says so of a filter chain, and of what else holds extensions: that it is there, or not, is all of the difference.
func isLarge(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if key == "typed_config" || isLarge(value) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, isLarge)
	}
	return false
}

func outcomes(w fields.World, c fields.Case) (with, without fields.Outcome, err error) {
	a, b, err := w.Twins(c)
	if err != nil {
		return with, without, err
	}
	if without, err = b.Outcome(); err != nil {
		return with, without, fmt.Errorf("without: %w", err)
	}
	if with, err = a.Outcome(); err != nil {
		return with, without, fmt.Errorf("with: %w", err)
	}
	return with, without, nil
}

var numbers = regexp.MustCompile(`\[\d+\]`)

// about says whether a problem is with the row, with an object that holds it, or with what is below it.
func about(p mesh.Problem, c fields.Case) bool {
	path := numbers.ReplaceAllString(p.Err.Field, "[]")
	return p.Object.Kind+"/"+p.Object.Name == c.Object && (path == c.Row || fields.Below(path, c.Row) || fields.Below(c.Row, path))
}

// judge compares what happened with what the case says, and tells what to change in the case.
func judge(t *testing.T, c fields.Case, got printedCase) {
	t.Helper()
	file := c.File()
	want := slices.Sorted(slices.Values(c.Envoy))
	differ := fields.Paths(got.Envoy)
	switch {
	case len(want) == 0 && len(differ) > 0:
		t.Errorf("%s is honoured now: change its case in %s to\nenvoy:\n- %s", c, file, strings.Join(differ, "\n- "))
	case len(want) > 0 && len(differ) == 0:
		t.Errorf("%s changes nothing in Envoy, against what %s says: honour it, or report it and change its case to warns", c, file)
	case !slices.Equal(want, differ):
		t.Errorf("%s changes other fields of Envoy than %s says, want\n  %s\ngot\n- %s", c, file, strings.Join(want, "\n  "), strings.Join(differ, "\n- "))
	}
	var warnings []string
	if c.Warns != "" {
		warnings = []string{c.Warns}
	}
	if !slices.Equal(warnings, got.Problems) {
		t.Errorf("%s: the problems are not those that %s says, want %q, got %q", c, file, warnings, got.Problems)
	}
}

func TestThePageOfRowsIsCurrent(t *testing.T) {
	table, err := fields.NewTable(root, fields.Meshes)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "fields.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != table.Page() {
		t.Error("docs/fields.md is not what the cases say; run go generate ./test/fields")
	}
}

func suites(t *testing.T) map[string]fields.Suite {
	t.Helper()
	out, err := fields.Suites(root, fields.Meshes)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
