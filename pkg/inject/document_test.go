package inject

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/test/golden"
)

const document = "../../docs/injection.md"

// TestDocument writes the tables of the document, each row with golden cases that show it. A row without one fails.
func TestDocument(t *testing.T) {
	cases := readCases(t)
	var annotations strings.Builder
	annotations.WriteString("| annotation | sidecar | gateway | effect | shown by |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		u := uses[name]
		effect := u.does
		switch {
		case effect != "":
		case u.quiet:
			effect = "none, silently: later versions of App Mesh ignored it, too"
		default:
			effect = "none, with a warning"
		}
		fmt.Fprintf(&annotations, "| `%s` | %s | %s | %s | %s |\n", name, mark(u.node), mark(u.gateway), effect, cases.with(t, appmeshv1beta2.AnnotationPrefix+name+":"))
	}
	golden.Section(t, document, "annotations", annotations.String())

	var list strings.Builder
	list.WriteString("| variable | effect | shown by |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		v := variables[name]
		effect := v.does
		if effect == "" {
			effect = "none, with a warning: " + v.instead
		}
		if len(v.harmless) > 0 {
			effect += "; silently for `" + strings.Join(v.harmless, "` and `") + "`"
		}
		fmt.Fprintf(&list, "| `%s` | %s | %s |\n", name, effect, cases.with(t, name))
	}
	golden.Section(t, document, "variables", list.String())
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return ""
}

// caseFiles are the inputs of the golden cases by name.
type caseFiles map[string]string

func readCases(t *testing.T) caseFiles {
	t.Helper()
	inputs, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := caseFiles{}
	for _, path := range inputs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".in.yaml")] = string(text)
	}
	return files
}

// with names two cases at most that have the text, as a whole word.
func (c caseFiles) with(t *testing.T, word string) string {
	t.Helper()
	var found []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		for rest := c[name]; ; {
			at := strings.Index(rest, word)
			if at < 0 {
				break
			}
			end := rest[at+len(word):]
			if !startsWord(end) && (at == 0 || !startsWord(rest[at-1:])) {
				found = append(found, name)
				break
			}
			rest = end
		}
	}
	if len(found) == 0 {
		t.Errorf("no golden case has %s", word)
	}
	// What works says more than what is refused.
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return "`" + strings.Join(found[:min(2, len(found))], "`, `") + "`"
}

func rank(name string) int {
	if strings.HasPrefix(name, "node-") || strings.HasPrefix(name, "gateway-") {
		return 0
	}
	return 1
}

func startsWord(s string) bool {
	return s != "" && (s[0] == '_' || s[0] >= 'A' && s[0] <= 'Z' || s[0] >= 'a' && s[0] <= 'z' || s[0] >= '0' && s[0] <= '9')
}
