package walkthrough

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// State is what `kubectl get canaries --watch` shows, with the time at which it arrived.
type State struct {
	At       time.Time
	Phase    string
	Weight   int
	Failed   int
	Revision string
	Why      string
	Metrics  []MetricState
}

// MetricState is one judged metric in the status.
type MetricState struct{ Name, Value, Verdict string }

// Watcher follows one Canary.
type Watcher struct {
	mu     sync.Mutex
	states []State
	change chan struct{}
	onNew  func(State)
}

type canaryObject struct {
	Status struct {
		Phase        string
		CanaryWeight float64
		FailedChecks float64
		Rollout      struct {
			Revision, Why string
			Metrics       []MetricState
		}
	}
}

// Watch follows canary name in namespace until ctx ends; onNew, if set, is called for every change of phase,
// weight, failed checks or verdicts.
func (c *Cluster) Watch(ctx context.Context, namespace, name string, onNew func(State)) *Watcher {
	w := &Watcher{change: make(chan struct{}), onNew: onNew}
	go func() {
		for ctx.Err() == nil {
			// The watch ends when the API server closes it; start again where the object is now.
			cmd := c.Command(ctx, "-n", namespace, "get", "canary", name, "--watch", "-o", "json")
			if err := follow(cmd, w.decode); err != nil {
				time.Sleep(time.Second)
			}
		}
	}()
	return w
}

func follow(cmd *exec.Cmd, read func(io.Reader) error) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = read(out)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return err
}

func (w *Watcher) decode(r io.Reader) error {
	dec := json.NewDecoder(r)
	for {
		var o canaryObject
		if err := dec.Decode(&o); err != nil {
			return err
		}
		s := o.Status
		w.add(State{
			At: time.Now(), Phase: s.Phase, Weight: int(s.CanaryWeight), Failed: int(s.FailedChecks),
			Revision: s.Rollout.Revision, Why: s.Rollout.Why, Metrics: s.Rollout.Metrics,
		})
	}
}

func (w *Watcher) add(s State) {
	w.mu.Lock()
	w.states = append(w.states, s)
	close(w.change)
	w.change = make(chan struct{})
	w.mu.Unlock()
	if w.onNew != nil {
		w.onNew(s)
	}
}

// States returns everything seen so far.
func (w *Watcher) States() []State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]State(nil), w.states...)
}

// Until waits for the first state that arrives after since and satisfies ok.
func (w *Watcher) Until(ctx context.Context, since time.Time, what string, ok func(State) bool) (State, error) {
	seen := 0
	for {
		w.mu.Lock()
		change := w.change
		for ; seen < len(w.states); seen++ {
			if s := w.states[seen]; s.At.After(since) && ok(s) {
				w.mu.Unlock()
				return s, nil
			}
		}
		last := State{}
		if len(w.states) > 0 {
			last = w.states[len(w.states)-1]
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("wait for %s: %w: the canary is %s, weight %d, failed checks %d: %s",
				what, ctx.Err(), last.Phase, last.Weight, last.Failed, last.Why)
		case <-change:
		}
	}
}

// InPhase is a condition for Until: one of the named phases.
func InPhase(names ...string) func(State) bool {
	return func(s State) bool { return slices.Contains(names, s.Phase) }
}

// Log follows `kubectl logs deploy/sluice-canary` and hands over each message of the given canary ("name.namespace"),
// as `jq .msg` would print it. Only messages from now on are read.
func (c *Cluster) Log(ctx context.Context, onLine func(msg string)) {
	go func() {
		for ctx.Err() == nil {
			cmd := c.Command(ctx, "-n", "sluice-system", "logs", "deploy/sluice-canary", "--follow", "--since", "1s")
			_ = follow(cmd, func(r io.Reader) error {
				lines := bufio.NewScanner(r)
				lines.Buffer(nil, 1<<20)
				for lines.Scan() {
					var line struct{ Msg, Canary string }
					if json.Unmarshal(lines.Bytes(), &line) == nil && line.Canary != "" && strings.TrimSpace(line.Msg) != "" {
						onLine(line.Msg)
					}
				}
				return lines.Err()
			})
			time.Sleep(time.Second)
		}
	}()
}
