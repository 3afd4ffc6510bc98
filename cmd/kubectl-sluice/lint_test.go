package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

var updateLint = flag.Bool("lint", false, "rewrite testdata/lint.txt")

// TestLintOfTheRulebooksCases lints every case of the rulebook: which rules speak of which case is in testdata/lint.txt.
// Good cases have none, but for the few that are good for one rule only. A case that is an update has an object twice,
// which is not for files.
func TestLintOfTheRulebooksCases(t *testing.T) {
	cases, err := filepath.Glob("../../pkg/validate/testdata/SL0*/*.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	var got strings.Builder
	for _, path := range cases {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"lint", "-f", path, "-o", "json"}
		if bytes.Contains(text, []byte("\n# world: complete\n")) {
			args = append(args, "--complete")
		}
		var out, errs bytes.Buffer
		code := run(t.Context(), args, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs})
		if strings.Contains(errs.String(), "and this one counts") {
			continue
		}
		var report struct{ Findings []findingJSON }
		if err := json.Unmarshal(out.Bytes(), &report); err != nil || errs.Len() > 0 {
			t.Errorf("%s: %v, %s", path, err, &errs)
			continue
		}
		var ids []string
		wantCode := exitOK
		for _, f := range report.Findings {
			if ids = append(ids, f.Rule); f.Severity == "error" {
				wantCode = exitFound
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if code != wantCode {
			t.Errorf("%s: exit code %d, want %d", path, code, wantCode)
		}
		name := filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".yaml")
		fmt.Fprintf(&got, "%-40s %s\n", name, strings.Join(ids, " "))
	}
	const golden = "testdata/lint.txt"
	if *updateLint {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-golden +got, run with -lint to rewrite it)\n%s", diff)
	}
}
