package main

import (
	"context"
	"errors"
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
	timeout  time.Duration
	max      int // commands at the same time
	commands *commands
	log      *slog.Logger
	ctx      context.Context // ends every command when the load tester stops
	cancel   context.CancelFunc
	work     sync.WaitGroup
	blocking sync.WaitGroup // those of them that somebody waits for

	mu      sync.Mutex
	stopped bool
	count   int
	running map[running]struct{}

	started *prometheus.CounterVec
	ended   *prometheus.CounterVec
	now     *prometheus.GaugeVec
}

var (
	errStopping = errors.New("this load tester is stopping; ask again")
	errTooMany  = errors.New("too many commands run at the same time")
)

// running is what makes two background tasks the same one: a rollout repeats its hook at every interval, and a load that
// is longer than the interval must not pile up.
type running struct{ canary, command string }

func newRunner(cfg config) *runner {
	r := &runner{timeout: cfg.timeout, max: cfg.maxTasks, commands: cfg.commands, log: cfg.log, running: map[running]struct{}{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.started = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_loadtester_tasks_started_total", Help: "Commands started, by shell.",
	}, []string{"shell"})
	r.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_loadtester_tasks_ended_total", Help: "Commands ended, by shell and result (succeeded or failed).",
	}, []string{"shell", "result"})
	r.now = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sluice_loadtester_tasks_running", Help: "Commands that run now, by shell.",
	}, []string{"shell"})
	return r
}

// admit takes a place for a command, and gives it back when the function that it returns is called.
func (r *runner) admit(t task) (done func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopped:
		return nil, errStopping
	case r.count >= r.max:
		return nil, fmt.Errorf("%w: %d (-max-tasks)", errTooMany, r.max)
	}
	r.count++
	r.work.Add(1)
	if t.blocking {
		r.blocking.Add(1)
	}
	return func() {
		r.mu.Lock()
		r.count--
		r.mu.Unlock()
		if t.blocking {
			r.blocking.Done()
		}
		r.work.Done()
	}, nil
}

// start runs a task in the background, unless the same one still runs.
func (r *runner) start(t task) error {
	key := running{t.canary, t.command}
	r.mu.Lock()
	_, exists := r.running[key]
	if !exists {
		r.running[key] = struct{}{}
	}
	r.mu.Unlock()
	if exists {
		r.log.Debug("command skipped, it is already running", "canary", t.canary, "command", t.command)
		return nil
	}
	forget := func() {
		r.mu.Lock()
		delete(r.running, key)
		r.mu.Unlock()
	}
	done, err := r.admit(t)
	if err != nil {
		forget()
		return err
	}
	go func() {
		defer done()
		defer forget()
		_, _ = r.execute(t) // logged and counted there; nobody waits for a background task
	}()
	return nil
}

// run runs a task to its end and returns its output, stdout and stderr together.
func (r *runner) run(t task) (string, error) {
	done, err := r.admit(t)
	if err != nil {
		return "", err
	}
	defer done()
	return r.execute(t)
}

// execute runs a command that has a place.
func (r *runner) execute(t task) (string, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.timeout)
	defer cancel()
	name, args, env := r.commands.command(t)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	// The shell gets its own process group, and the whole group is killed: the load generator is usually its child.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a grandchild that left the group may still hold the output open

	log := r.log.With("canary", t.canary, "command", t.command)
	log.Info("command starting")
	r.started.WithLabelValues(t.shell).Inc()
	r.now.WithLabelValues(t.shell).Inc()
	defer r.now.WithLabelValues(t.shell).Dec()
	written := &tail{}
	cmd.Stdout, cmd.Stderr = written, written
	err := cmd.Run()
	out := written.String()
	if err != nil {
		out += r.commands.hint(out)
	}
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	if err != nil {
		r.ended.WithLabelValues(t.shell, "failed").Inc()
		log.Error("command failed", "error", err.Error(), "output", out)
		return out, err
	}
	r.ended.WithLabelValues(t.shell, "succeeded").Inc()
	if t.log {
		log = log.With("output", out)
	}
	log.Info("command finished")
	return out, nil
}

// stop takes no more work, waits for the commands that somebody waits for, no longer than grace, and kills what still runs.
func (r *runner) stop(grace time.Duration) {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		r.blocking.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(grace):
	}
	r.cancel()
	r.work.Wait()
}
