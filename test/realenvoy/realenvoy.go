// Package realenvoy gives tests a real Envoy: the path of the binary, or a running process that ends with the test.
package realenvoy

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Variables that the Makefile sets.
const (
	// envPath is the path of the binary.
	envPath = "SLUICE_ENVOY"
	// envRequire set to anything turns a missing binary from a skip into a failure.
	envRequire = "SLUICE_REQUIRE"
)

// stopTimeout is how long an Envoy that was told to stop may take.
const stopTimeout = 10 * time.Second

// Path returns the path of Envoy, or skips the test.
func Path(t testing.TB) string {
	t.Helper()
	path := os.Getenv(envPath)
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s does not name an Envoy: %v", envPath, err)
		}
		return path
	}
	const sentence = envPath + " is not set, so there is no Envoy to test with: run `make test-unit`, or set it to an envoy binary"
	if os.Getenv(envRequire) != "" {
		t.Fatal(sentence)
	}
	t.Skip(sentence)
	return ""
}

// Process is a running Envoy.
type Process struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
	err  error
}

// Start runs Envoy until the test ends. Its output is shown if the test fails.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{out: &output{}, done: make(chan struct{})}
	p.cmd = exec.Command(Path(t), args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start envoy: %v", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("envoy said:\n%s", p.Output())
		}
	})
	return p
}

// Signal sends a signal, as the kubelet does.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Done is closed when Envoy has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how Envoy ended, once Done is closed.
func (p *Process) Err() error { return p.err }

// Output is what Envoy has written so far.
func (p *Process) Output() string { return p.out.String() }

func (p *Process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Validate loads a configuration as Envoy would, without starting it.
func Validate(t testing.TB, configYAML string) {
	t.Helper()
	cmd := exec.Command(Path(t), "--mode", "validate", "--config-yaml", configYAML, "--service-node", "test.test", "--service-cluster", "test")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("envoy refuses the configuration: %v\n%s", err, out)
	}
}

// FreePort returns a port of the loopback interface that nobody listens on.
func FreePort(t testing.TB) uint32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return uint32(l.Addr().(*net.TCPAddr).Port)
}

// Eventually calls ok until it is true, and fails the test after a minute, because test machines may be busy.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}

// output collects what two pipes write.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.buf.String())
}
