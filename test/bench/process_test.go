package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is one of our commands, built and run as users run it: a process of its own, whose memory and CPU time are
// the kernel's figures and nobody else's.
type process struct {
	cmd *exec.Cmd
}

// startProcess builds ./cmd/<name> and runs it until the benchmark ends.
func startProcess(b *testing.B, name string, args ...string) *process {
	b.Helper()
	return startProcessEnv(b, name, nil, args...)
}

// startProcessEnv adds to the environment.
func startProcessEnv(b *testing.B, name string, env []string, args ...string) *process {
	b.Helper()
	binary := filepath.Join(b.TempDir(), name)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/"+name)
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return run(b, name, binary, env, args...)
}

// run starts a program. What it writes is shown if the benchmark fails.
func run(b *testing.B, name, binary string, env []string, args ...string) *process {
	b.Helper()
	log, err := os.Create(filepath.Join(b.TempDir(), name+".log"))
	if err != nil {
		b.Fatal(err)
	}
	p := &process{cmd: exec.Command(binary, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		b.Fatalf("start %s: %v", name, err)
	}
	b.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
		log.Close()
		if b.Failed() {
			text, _ := os.ReadFile(log.Name())
			b.Logf("%s said:\n%s", name, text)
		}
	})
	return p
}

// memory is the process's resident memory now, in bytes.
func (p *process) memory(b *testing.B) float64 {
	b.Helper()
	for line := range strings.Lines(p.file(b, "status")) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib * 1024
		}
	}
	b.Fatal("the kernel does not tell the process's memory")
	return 0
}

// ticks are the kernel's units of CPU time per second.
const ticks = 100

// cpu is the CPU time that the process has used.
func (p *process) cpu(b *testing.B) time.Duration {
	b.Helper()
	text := p.file(b, "stat")
	// The name in parentheses may hold anything; the fields after it are numbers. Fields 14 and 15 are user and system time.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		b.Fatalf("read the process's CPU time: %v %v", err1, err2)
	}
	return time.Duration(user+system) * time.Second / ticks
}

func (p *process) file(b *testing.B, name string) string {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
