//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRefusedAtApply applies what would break a release: kubectl must say the rule, the path and what to change.
func TestRefusedAtApply(t *testing.T) {
	must(t, demo())
	ctx := testContext(t, 3*time.Minute)
	files, err := filepath.Glob(filepath.Join("testdata", "refused", "*.yaml"))
	must(t, err)
	if len(files) < 6 {
		t.Fatalf("%d cases, want one for each rule at least", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			must(t, err)
			// The first lines say what kubectl must print: "# want: <text>".
			_, err = cluster.RunInput(ctx, string(text), "apply", "--dry-run=server", "-f", "-")
			if err == nil {
				t.Fatal("it was accepted")
			}
			for line := range strings.Lines(string(text)) {
				if want, ok := strings.CutPrefix(line, "# want: "); ok && !strings.Contains(err.Error(), strings.TrimSpace(want)) {
					t.Errorf("kubectl does not say %q:\n%v", strings.TrimSpace(want), err)
				}
			}
			t.Log(err)
		})
	}
}
