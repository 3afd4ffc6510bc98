package telemetry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// board is what a board of Grafana has that matters here.
type board struct {
	UID, Title string
	Panels     []panel
	Templating struct{ List []variable }
}

type panel struct {
	Title, Type string
	Targets     []struct{ Expr, RefID string }
}

type variable struct {
	Name, Type string
	Query      any
}

func boards(t *testing.T) []board {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(components, "grafana", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no boards: %v", err)
	}
	var all []board
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, b)
	}
	return all
}

// queries are those of all panels, with the variables that Grafana would put in, by board, panel and letter.
func (b board) queries(values map[string]string) map[string]string {
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "${"+name+"}", value, "$"+name, value)
	}
	replacer := strings.NewReplacer(pairs...)
	all := map[string]string{}
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			all[b.Title+": "+p.Title+" "+target.RefID] = replacer.Replace(target.Expr)
		}
	}
	return all
}

// TestEveryVariableIsThere: a board whose queries have a variable that it does not offer shows nothing.
func TestEveryVariableIsThere(t *testing.T) {
	for _, b := range boards(t) {
		values := map[string]string{"__rate_interval": "1m"}
		for _, v := range b.Templating.List {
			values[v.Name] = "x"
		}
		seen := map[string]bool{}
		for where, query := range b.queries(values) {
			if strings.Contains(query, "$") {
				t.Errorf("%s: a variable that the board does not have: %s", where, query)
			}
			seen[where] = true
		}
		count := 0
		for _, p := range b.Panels {
			count += len(p.Targets)
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: %s has no query", b.Title, p.Title)
			}
		}
		if len(seen) != count {
			t.Errorf("%s: two panels have the same title", b.Title)
		}
	}
}
