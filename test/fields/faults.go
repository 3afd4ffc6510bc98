package fields

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Faults says what is wrong with the table itself, whatever its cases prove: a row that nobody decided on, a value of an enum
// that nobody tried, a case that says nothing. root is the top of the repository.
func (t *Table) Faults(root string) []string {
	var out []string
	known := map[string]bool{}
	for _, row := range t.Rows {
		known[row.String()] = true
		if t.Fate(row).Kind == Undecided {
			out = append(out, fmt.Sprintf("%s: nobody decided what becomes of it; honour it, or report it, and add a case to %s/%s%s", row, t.Family.Dir, row.Kind, inSuffix))
		}
		out = append(out, t.untried(row)...)
	}
	for _, row := range slices.Sorted(maps.Keys(t.cases)) {
		for _, c := range t.cases[row] {
			if !known[row] {
				out = append(out, fmt.Sprintf("%s: there is no field %s", c.File(), row))
			}
			if fault := c.fault(root); fault != "" {
				out = append(out, fmt.Sprintf("%s: %s: %s", c.File(), c, fault))
			}
		}
	}
	return out
}

// untried lists the values of an enum that no case has; it is about rows of the spec that have cases of their own.
func (t *Table) untried(row Row) []string {
	cases := t.cases[row.String()]
	if len(cases) == 0 || !Below(row.Path, "spec") {
		return nil
	}
	var out []string
	for _, value := range row.Enum {
		if !slices.ContainsFunc(cases, func(c Case) bool { return fmt.Sprint(c.With) == value || fmt.Sprint(c.Without) == value }) {
			out = append(out, fmt.Sprintf("%s: no case has the value %q", row, value))
		}
	}
	return out
}

// fault keeps a case from proving nothing.
func (c Case) fault(root string) string {
	file, name, _ := strings.Cut(c.Proof, " ")
	differs := len(c.Envoy) + len(c.Shows)
	switch {
	case c.Does != "" && c.Proof == "":
		return "proof names no test"
	case c.Does != "" && (differs > 0 || c.Warns != ""):
		return "does is for what neither differs nor warns"
	case c.Does == "" && differs == 0 && c.Warns == "":
		return "say envoy, shows, warns or does"
	case len(c.Envoy) > 0 && c.About == "":
		return "about says nothing to users"
	case c.Does == "" && c.With == nil:
		return "no value to try it with"
	case c.Proof != "":
		if err := findTest(filepath.Join(root, file), name); err != nil {
			return err.Error()
		}
	}
	return ""
}

// findTest looks for a test function; for any other file it is enough that it is there, as an input of a golden test.
func findTest(path, name string) error {
	if !strings.HasSuffix(path, ".go") {
		_, err := os.Stat(path)
		return err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name && strings.HasPrefix(name, "Test") {
			return nil
		}
	}
	return fmt.Errorf("%s has no test %q", path, name)
}
