package canary

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// Pod is a pod whose Envoy is read.
type Pod struct {
	// UID tells it from an earlier pod of the same name or address.
	UID string
	// Name and Namespace are for messages.
	Name, Namespace string
	// IP is where its Envoy answers.
	IP string
	// Primary tells that it is a pod of the primary, not of the target.
	Primary bool
	// CrashLooping tells that one of its containers ends again and again.
	CrashLooping bool
}

// StatsReader reads the counters of Envoys.
type StatsReader interface {
	// Read reads one pod's counters once. It is called for many pods at the same time.
	Read(ctx context.Context, pod Pod) (gate.Sample, error)
}

// poll reads the Envoys of one Canary's pods, again and again, while the Canary is under analysis.
type poll struct {
	cancel context.CancelFunc
	since  time.Time

	mu      sync.Mutex
	pods    map[string]Pod
	reading map[string]bool // the pods, by UID, whose answer is awaited
	history gate.History
	// primary is the history of the primary's pods. They are read only where the continuous judge compares with them.
	primary gate.History
	trial   trial
	// called are the histories of what callers saw. The set does not change.
	called map[types.NamespacedName]*gate.History
}

// watchPods makes the session poll exactly these pods, and begins to if it does not yet.
func (s *shell) watchPods(c *canaryv1beta1.Canary, session *session, pods []Pod) {
	session.mu.Lock()
	begins := session.poll == nil
	if begins {
		ctx, cancel := context.WithCancel(s.background)
		p := &poll{cancel: cancel, since: s.clock.Now(), pods: map[string]Pod{}, reading: map[string]bool{}, called: called(c)}
		session.poll = p
		s.work.start(func() { s.pollLoop(ctx, keyOf(c), p) })
	}
	session.poll.set(pods)
	session.mu.Unlock()
	if begins {
		s.watchCallers()
	}
}

func (s *session) stopPolling() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != nil {
		s.poll.cancel()
		s.poll = nil
	}
}

func (p *poll) set(pods []Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := make(map[string]Pod, len(pods))
	for _, pod := range pods {
		now[pod.UID] = pod
	}
	for uid, pod := range p.pods {
		if _, still := now[uid]; !still {
			p.of(pod).Remove(uid) // what it counted stays
		}
	}
	p.pods = now
}

// of is the history that a pod's samples belong to.
func (p *poll) of(pod Pod) *gate.History {
	if pod.Primary {
		return &p.primary
	}
	return &p.history
}

func (s *shell) pollLoop(ctx context.Context, key types.NamespacedName, p *poll) {
	ticker := s.clock.NewTicker(s.pollInterval)
	defer ticker.Stop()
	take := p.tick
	for {
		changed := s.pollOnce(ctx, p)
		look, soon := take(s.clock.Now())
		if (changed || look) && ctx.Err() == nil {
			s.wake(key) // a pod was lost or found again, which the conditions say; or there is a verdict
		}
		var again <-chan time.Time
		if soon {
			again = s.clock.After(s.pollInterval / 4)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			take = p.tick
		case <-again:
			take = p.between
		}
	}
}

// pollOnce reads all pods at the same time and says whether the set of unreachable ones changed. It does not wait longer
// than until the next round is due: a pod that hangs must not hide what the others count.
func (s *shell) pollOnce(ctx context.Context, p *poll) bool {
	p.mu.Lock()
	pods := make([]Pod, 0, len(p.pods))
	for _, pod := range p.pods {
		if !p.reading[pod.UID] {
			p.reading[pod.UID] = true
			pods = append(pods, pod)
		}
	}
	before := len(p.history.Unreachable())
	p.mu.Unlock()

	// A pod that does not answer within a few polls is as good as unreachable.
	ctx, cancel := context.WithTimeout(ctx, 3*s.pollInterval)
	var round sync.WaitGroup
	for _, pod := range pods {
		round.Go(func() {
			sample, err := s.stats.Read(ctx, pod)
			p.add(pod, sample, err, s.clock.Now())
		})
	}
	all := make(chan struct{})
	s.work.start(func() {
		round.Wait()
		cancel()
		close(all)
	})
	select {
	case <-all:
	case <-s.clock.After(s.pollInterval):
	case <-ctx.Done():
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.history.Unreachable()) != before
}

func (p *poll) add(pod Pod, sample gate.Sample, err error, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.reading, pod.UID)
	if _, still := p.pods[pod.UID]; !still {
		return // deleted while it was being read: its failure to answer means nothing
	}
	if err != nil {
		p.of(pod).AddUnreachable(pod.UID, now, err)
		return
	}
	// One clock for samples and windows, whoever read the sample.
	sample.Pod, sample.At = pod.UID, now
	p.of(pod).Add(sample)
}

// measured adds the built-in metrics to an observation.
func (p *poll) measured(c *canaryv1beta1.Canary, obs *canary.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var unreachable []string
	for uid := range p.history.Unreachable() {
		if pod, ok := p.pods[uid]; ok {
			unreachable = append(unreachable, pod.Name)
		}
	}
	obs.MeasuringSince = p.since
	for name, span := range canary.MetricWindow(c, obs.Now) {
		if !canary.FromEnvoy(c, name) {
			continue
		}
		if m, ok := canary.Measure(name, p.window(c, span), unreachable); ok {
			obs.Metrics[name] = m
		}
	}
}
