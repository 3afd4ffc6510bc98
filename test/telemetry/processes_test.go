package telemetry

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// build compiles our three processes, and returns the folder that they are in.
func build(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	cmd := exec.Command("go", "build", "-o", folder, "./cmd/webhook", "./cmd/mesh", "./cmd/canary")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build our processes: %v\n%s", err, out)
	}
	return folder
}

// start runs a program until the test ends; what it says is shown if the test fails.
func start(t *testing.T, env []string, binary string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			said := out.Bytes()
			t.Logf("%s said:\n%s", filepath.Base(binary), said[max(0, len(said)-4000):])
		}
	})
}

// until waits for as long as a busy machine may need, and tells what was wrong last.
func until(t *testing.T, what string, ok func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatalf("waited three minutes in vain: %s: %v", what, err)
}

// answers is nil if the address answers with 200.
func answers(url string) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}
