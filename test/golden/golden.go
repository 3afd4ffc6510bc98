// Package golden takes the input files of a package's tests and a function, and compares what the function gives for each
// with the output file beside it.
//
// A case is a pair testdata/<case>.in.yaml and testdata/<case>.out.yaml. The first line of the input is a comment that
// says why the case exists. `go test ./pkg/<package> -update` rewrites the outputs; review reads their diff.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite the golden files with what the code gives now")

// Files says where a set of pairs lies.
type Files struct {
	// In is the pattern of the inputs.
	In string
	// InSuffix is what an input's name has after the name of its case.
	InSuffix string
	// Out is the folder of the outputs; each is called <case>.out.yaml.
	Out string
}

const outSuffix = ".out.yaml"

// Run runs the pairs in testdata. fn gives the output of an input as YAML; it fails the test itself if it cannot.
func Run(t *testing.T, fn func(t *testing.T, in []byte) []byte) {
	t.Helper()
	RunFiles(t, Files{In: filepath.Join("testdata", "*.in.yaml"), InSuffix: ".in.yaml", Out: "testdata"}, fn)
}

// RunFiles runs the pairs of files. Where the inputs are another package's outputs, the two packages cannot drift apart.
func RunFiles(t *testing.T, files Files, fn func(t *testing.T, in []byte) []byte) {
	t.Helper()
	inputs, err := filepath.Glob(files.In)
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no input matches %s (%v)", files.In, err)
	}
	known := map[string]bool{}
	for _, path := range inputs {
		name := strings.TrimSuffix(filepath.Base(path), files.InSuffix)
		known[name] = true
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if files.InSuffix != outSuffix && !strings.HasPrefix(string(in), "# ") {
				t.Errorf("%s: the first line must be a comment that says why this case exists", path)
			}
			compare(t, filepath.Join(files.Out, name+outSuffix), fn(t, in))
		})
	}
	orphans(t, files.Out, known)
}

// compare holds an output against its file: by meaning, so that style and order of keys do not matter.
func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update and review what it writes", err)
	}
	if diff := cmp.Diff(decode(t, path, want), decode(t, "output", got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func decode(t *testing.T, name string, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// orphans fails on outputs without an input: they look like coverage and check nothing.
func orphans(t *testing.T, folder string, known map[string]bool) {
	t.Helper()
	outputs, err := filepath.Glob(filepath.Join(folder, "*"+outSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range outputs {
		if !known[strings.TrimSuffix(filepath.Base(path), outSuffix)] {
			t.Errorf("%s has no input; delete it", path)
		}
	}
}
