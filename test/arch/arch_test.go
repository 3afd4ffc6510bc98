package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sluice-mesh/sluice/"

func TestArchitecture(t *testing.T) {
	root := filepath.Join("..", "..")
	commented := map[string]bool{}
	files := 0
	for _, top := range []string{"pkg", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			fset := token.NewFileSet()
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			f, err := parser.ParseFile(fset, rel, src, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			dir := filepath.ToSlash(filepath.Dir(rel))
			commented[dir] = commented[dir] || f.Doc != nil
			for _, v := range check(fset, filepath.ToSlash(rel), f) {
				t.Error(v)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir, ok := range commented {
		if !ok {
			t.Errorf("%s: no package comment: its first sentence says what goes in and what comes out", dir)
		}
	}
	if files == 0 {
		t.Fatal("no source found: the walk is broken")
	}
}

// check returns the violations of one file as "file:line: what: why".
func check(fset *token.FileSet, rel string, f *ast.File) []string {
	var out []string
	report := func(pos token.Pos, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s: %s", fset.Position(pos), fmt.Sprintf(format, args...)))
	}
	dir := rel[:strings.LastIndex(rel, "/")]
	l, known := layerOf(dir)
	if !known {
		report(f.Package, "%s has no row in the layer table: say what it may import, and why", dir)
	}
	if slices.Contains(badNames, f.Name.Name) {
		report(f.Package, "package %s: the name says nothing; call it by the noun it holds", f.Name.Name)
	}
	for _, imp := range f.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		if why := importViolation(rel, dir, path, l); why != "" {
			report(imp.Pos(), "%s must not import %s: %s", dir, path, why)
		}
	}
	if l.pure {
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok {
				if why, bad := bannedCalls[x.Name+"."+sel.Sel.Name]; bad {
					report(n.Pos(), "%s must not use %s.%s: %s", dir, x.Name, sel.Sel.Name, why)
				}
			}
			return true
		})
	}
	return out
}

func importViolation(rel, dir, path string, l layer) string {
	if own, ok := strings.CutPrefix(path, module); ok {
		if _, std := stdlibOnly[rel]; std {
			return stdlibOnly[rel]
		}
		if own == dir || slices.ContainsFunc(l.may, func(p string) bool { return below(own, p) }) {
			return ""
		}
		return l.why
	}
	if why, std := stdlibOnly[rel]; std && strings.Contains(strings.Split(path, "/")[0], ".") {
		return why
	}
	if (below(path, gcpCache) || below(path, gcpServer)) && !below(dir, "pkg/envoy") {
		return "only pkg/envoy serves xDS"
	}
	if below(dir, "pkg/xds") && strings.HasPrefix(path, "k8s.io/") {
		return layers["pkg/xds"].why
	}
	if !l.pure || slices.ContainsFunc(values, func(p string) bool { return below(path, p) }) {
		return ""
	}
	for prefix, why := range banned {
		if below(path, prefix) {
			return why
		}
	}
	return ""
}

// layerOf finds the row of a package: the longest key that is the package or a parent of it.
func layerOf(dir string) (layer, bool) {
	for d := dir; d != "."; d = filepath.ToSlash(filepath.Dir(d)) {
		if l, ok := layers[d]; ok {
			return l, true
		}
	}
	return layer{}, false
}

func below(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// TestCheckFindsViolations shows that the test above can fail.
func TestCheckFindsViolations(t *testing.T) {
	tests := map[string]struct{ file, src, want string }{
		"xds learns about custom resources": {"pkg/xds/route.go", `package xds; import _ "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"`, "Envoy must not learn"},
		"a pure package reads the clock":    {"pkg/canary/next.go", `package canary; import "time"; var x = time.Now()`, "time is an input"},
		"a pure package opens a connection": {"pkg/mesh/build.go", `package mesh; import _ "net/http"`, "do not talk"},
		"a door imports another door":       {"pkg/kube/mesh/x.go", `package mesh; import _ "github.com/sluice-mesh/sluice/pkg/envoy"`, "doors never import each other"},
		"the model imports a library":       {"pkg/mesh/model.go", `package mesh; import _ "k8s.io/api/core/v1"`, "plain data"},
		"a package without a row":           {"pkg/queue/x.go", `package queue`, "no row"},
		"a package name that says nothing":  {"pkg/kube/util/x.go", `package util`, "says nothing"},
		"netip is a value":                  {"pkg/mesh/build.go", `package mesh; import _ "net/netip"`, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, tc.file, tc.src, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(check(fset, tc.file, f), "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want a violation that says %q", got, tc.want)
			}
		})
	}
}
