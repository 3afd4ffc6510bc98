package canary

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// CallerReader asks mesh what the callers of virtual nodes counted.
type CallerReader interface {
	// Calls returns one sample per virtual node and replica of mesh, and makes callers go on counting for a while. Samples
	// are good even beside an error, which says what is missing.
	Calls(ctx context.Context, nodes []types.NamespacedName) ([]CallerSample, error)
}

// CallerSample is what the callers of a virtual node counted, as one replica of mesh knows.
type CallerSample struct {
	Node types.NamespacedName
	// Epoch names one series of counts, which began at zero as long ago as Age.
	Epoch string
	Age   time.Duration
	gate.Counters
}

// callerWatch asks about all Canaries under analysis at once, and about nothing as long as there is none.
type callerWatch struct {
	mu      sync.Mutex
	running bool
	// complaint is what was missing from the last answer.
	complaint string
}

// called are the histories of a Canary's virtual nodes.
func called(c *canaryv1beta1.Canary) map[types.NamespacedName]*gate.History {
	out := map[types.NamespacedName]*gate.History{}
	primary, canary := canary.CalledNodes(c)
	for _, name := range []string{primary, canary} {
		if name != "" {
			out[types.NamespacedName{Namespace: c.Namespace, Name: name}] = &gate.History{}
		}
	}
	return out
}

// watchCallers begins to ask, unless that is going on.
func (s *shell) watchCallers() {
	if s.callerReader == nil {
		return
	}
	s.callers.mu.Lock()
	defer s.callers.mu.Unlock()
	if !s.callers.running {
		s.callers.running = true
		s.work.start(s.callersLoop)
	}
}

func (s *shell) callersLoop() {
	ticker := s.clock.NewTicker(s.pollInterval)
	defer ticker.Stop()
	for s.background.Err() == nil {
		polls := s.callersToAsk()
		if polls == nil {
			return
		}
		s.askCallers(polls)
		select {
		case <-s.background.Done():
		case <-ticker.C():
		}
	}
}

// callersToAsk are the virtual nodes to ask about. If there are none the loop is over, and watchCallers begins another.
func (s *shell) callersToAsk() map[types.NamespacedName]*poll {
	s.callers.mu.Lock()
	defer s.callers.mu.Unlock()
	polls := s.sessions.called()
	if len(polls) == 0 {
		s.callers.running = false
		return nil
	}
	return polls
}

// askCallers asks once about virtual nodes, and hands the answers to those whose they are.
func (s *shell) askCallers(polls map[types.NamespacedName]*poll) {
	// An answer that takes long is out of date.
	ctx, cancel := context.WithTimeout(s.background, 3*s.pollInterval)
	defer cancel()
	samples, err := s.callerReader.Calls(ctx, slices.Collect(maps.Keys(polls)))
	if ctx.Err() == nil || len(samples) > 0 {
		s.missesCallers(err)
	}
	now := s.clock.Now()
	for _, sample := range samples {
		if p := polls[sample.Node]; p != nil {
			p.addCalls(sample, now)
		}
	}
}

// missesCallers says once what is missing: releases go on, judged by their own counters.
func (s *shell) missesCallers(err error) {
	complaint := ""
	if err != nil {
		complaint = err.Error()
	}
	s.callers.mu.Lock()
	before := s.callers.complaint
	s.callers.complaint = complaint
	s.callers.mu.Unlock()
	if complaint != "" && before == "" {
		s.log.Warn("releases are judged without some of their callers", "error", complaint)
	}
}

// addCalls takes in a sample of the callers.
func (p *poll) addCalls(sample CallerSample, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if history := p.called[sample.Node]; history != nil {
		// Each series is counted by itself, as a pod would: which of them is newer does not matter.
		history.Add(gate.Sample{Pod: sample.Epoch, Epoch: sample.Epoch, Started: now.Add(-sample.Age), At: now, Counters: sample.Counters})
	}
}

// window joins what the target's pods counted in a span with what their callers saw.
func (p *poll) window(c *canaryv1beta1.Canary, span canary.Span) gate.Window {
	_, target := canary.CalledNodes(c)
	return p.sides(&p.history, types.NamespacedName{Namespace: c.Namespace, Name: target}, span.From, span.To)
}

// called are the virtual nodes whose callers are to be asked, with the poll of each.
func (s *sessions) called() map[types.NamespacedName]*poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[types.NamespacedName]*poll{}
	for _, session := range s.byKey {
		session.mu.Lock()
		if session.poll != nil {
			for node := range session.poll.called {
				out[node] = session.poll
			}
		}
		session.mu.Unlock()
	}
	return out
}
