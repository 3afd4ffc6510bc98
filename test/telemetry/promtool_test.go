package telemetry

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const components = "../../config/components"

// program is the path of prometheus or promtool, which are in one folder.
func program(t *testing.T, name string) string {
	t.Helper()
	path := os.Getenv("SLUICE_PROMETHEUS")
	if path == "" {
		const sentence = "SLUICE_PROMETHEUS is not set, so there is no Prometheus to test with: run `make test-unit`, or set it to a prometheus binary"
		if os.Getenv("SLUICE_REQUIRE") != "" {
			t.Fatal(sentence)
		}
		t.Skip(sentence)
	}
	return filepath.Join(filepath.Dir(path), name)
}

// TestRules runs the unit tests of the rules, which are beside them.
func TestRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, {"test", "rules", "rules.test.yaml"}} {
		cmd := exec.Command(program(t, "promtool"), args...)
		cmd.Dir = filepath.Join(components, "telemetry")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
