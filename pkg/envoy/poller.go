package envoy

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-mesh/sluice/pkg/gate"
)

// Defaults of Poller.
const (
	// DefaultPollPeriod is the time between two samples of a pod.
	DefaultPollPeriod = time.Second
	// DefaultPollTimeout bounds one reading; a pod that takes longer is unreachable for that period.
	DefaultPollTimeout = 2 * time.Second
	// pollsAtOnce bounds the connections that are opened at the same moment.
	pollsAtOnce = 32
)

// Poller samples a changing set of pods.
type Poller struct {
	// Stats reads the pods.
	Stats *Stats
	// Period and Timeout default to DefaultPollPeriod and DefaultPollTimeout.
	Period, Timeout time.Duration
	// Sampled gets every sample, or the error instead of it, one call at a time and never for a pod that is no longer watched.
	Sampled func(Target, gate.Sample, error)

	// ticks replaces the clock in tests.
	ticks <-chan time.Time

	mu      sync.Mutex
	targets map[string]Target
	busy    map[string]bool
	// calling makes calls of Sampled take turns.
	calling sync.Mutex
}

// Watch replaces the set of pods.
func (p *Poller) Watch(targets []Target) {
	next := make(map[string]Target, len(targets))
	for _, t := range targets {
		next[t.UID] = t
	}
	p.Stats.keep(next)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = next
}

// Run samples until ctx is done, and returns when the last reading has ended.
func (p *Poller) Run(ctx context.Context) {
	if p.Period == 0 {
		p.Period = DefaultPollPeriod
	}
	if p.Timeout == 0 {
		p.Timeout = DefaultPollTimeout
	}
	ticks := p.ticks
	if ticks == nil {
		ticker := time.NewTicker(p.Period)
		defer ticker.Stop()
		ticks = ticker.C
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	slots := make(chan struct{}, pollsAtOnce)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		for _, target := range p.take() {
			reading.Go(func() {
				defer p.done(target)
				select {
				case slots <- struct{}{}:
					defer func() { <-slots }()
				case <-ctx.Done():
					return
				}
				p.sample(ctx, target)
			})
		}
	}
}

// take returns the pods to read now: all but those whose last reading has not ended.
func (p *Poller) take() []Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == nil {
		p.busy = map[string]bool{}
	}
	var out []Target
	for uid, target := range p.targets {
		if !p.busy[uid] {
			p.busy[uid] = true
			out = append(out, target)
		}
	}
	return out
}

func (p *Poller) done(target Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, target.UID)
}

func (p *Poller) sample(ctx context.Context, target Target) {
	reading, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	sample, err := p.Stats.Read(reading, target)
	if ctx.Err() != nil {
		return
	}
	p.calling.Lock()
	defer p.calling.Unlock()
	p.mu.Lock()
	_, watched := p.targets[target.UID]
	p.mu.Unlock()
	if watched {
		p.Sampled(target, sample, err)
	}
}
