package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// runner runs commands, at most one of a kind at a time per canary in the background.
type runner struct {
	timeout time.Duration
	log     *slog.Logger
	ctx     context.Context // ends every command when the load tester stops
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	running map[running]struct{}

	started *prometheus.CounterVec
	ended   *prometheus.CounterVec
}

// running is what makes two background tasks the same one: a rollout repeats its hook at every interval, and a load that
// is longer than the interval must not pile up.
type running struct{ canary, command string }

func newRunner(timeout time.Duration, log *slog.Logger) *runner {
	r := &runner{timeout: timeout, log: log, running: map[running]struct{}{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.started = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_loadtester_tasks_started_total", Help: "Commands started, by shell.",
	}, []string{"shell"})
	r.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_loadtester_tasks_ended_total", Help: "Commands ended, by shell and result (succeeded or failed).",
	}, []string{"shell", "result"})
	return r
}

// start runs a task in the background, unless the same one still runs. It says whether it did.
func (r *runner) start(t task) bool {
	key := running{t.canary, t.command}
	r.mu.Lock()
	_, exists := r.running[key]
	if exists || r.stopped {
		r.mu.Unlock()
		r.log.Debug("command skipped, it is already running", "canary", t.canary, "command", t.command)
		return false
	}
	r.running[key] = struct{}{}
	r.work.Add(1)
	r.mu.Unlock()

	go func() {
		defer r.work.Done()
		_, _ = r.run(t) // logged and counted there; nobody waits for a background task
		r.mu.Lock()
		delete(r.running, key)
		r.mu.Unlock()
	}()
	return true
}

// run runs a task to its end and returns its output, stdout and stderr together.
func (r *runner) run(t task) (string, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.shell, "-c", t.command)
	// The shell gets its own process group, and the whole group is killed: the load generator is usually its child.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a grandchild that left the group may still hold the output open

	log := r.log.With("canary", t.canary, "command", t.command)
	log.Info("command starting")
	r.started.WithLabelValues(t.shell).Inc()
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	if err != nil {
		r.ended.WithLabelValues(t.shell, "failed").Inc()
		log.Error("command failed", "error", err.Error(), "output", string(out))
		return string(out), err
	}
	r.ended.WithLabelValues(t.shell, "succeeded").Inc()
	if t.log {
		log = log.With("output", string(out))
	}
	log.Info("command finished")
	return string(out), nil
}

// stop kills what runs and waits for it.
func (r *runner) stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.cancel()
	r.work.Wait()
}
