package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) {
	// The scripts run this very binary under the command's name.
	testscript.Main(withCluster{m}, map[string]func(){"kubectl-sluice": main})
}

// withCluster stops the API server that a test started.
type withCluster struct{ m *testing.M }

func (w withCluster) Run() int { return realkube.Main(w.m) }

// TestScripts runs testdata/script/*.txtar: what people type, and what they see. Beside testscript's own commands there are
//
//	exits CODE ARGS...   runs kubectl-sluice and looks at its exit code
//	accepted FILE        has a real Envoy validate a configuration
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "accepted": accepted(envoyIfAny(t))},
	})
}

// envoyIfAny is empty where there is no Envoy and none is required: most of a script is worth running without.
func envoyIfAny(t *testing.T) string {
	if os.Getenv("SLUICE_ENVOY") == "" && os.Getenv("SLUICE_REQUIRE") == "" {
		return ""
	}
	return realenvoy.Path(t)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("kubectl-sluice", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func accepted(envoy string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: accepted FILE")
		}
		if envoy == "" {
			ts.Logf("not checked: SLUICE_ENVOY is not set")
			return
		}
		if ts.ReadFile(args[0]) == "" {
			ts.Fatalf("%s is empty", args[0])
		}
		out, err := exec.Command(envoy, "--mode", "validate", "--log-level", "warning", "-c", ts.MkAbs(args[0])).CombinedOutput()
		if err != nil {
			ts.Fatalf("envoy refuses %s: %v\n%s", args[0], err, out)
		}
	}
}
