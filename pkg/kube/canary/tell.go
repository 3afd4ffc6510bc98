package canary

import (
	"sync"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// maxInLine bounds what waits behind a receiver that hangs. The log has it all.
const maxInLine = 500

// line is what is told to somebody outside: each waits for the one before it, and nobody waits for the line.
type line struct {
	mu      sync.Mutex
	tail    chan struct{}
	waiting int
}

// inLine runs f beside the workers, after what is in the line already. It is false if too much is.
func (s *shell) inLine(l *line, f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting >= maxInLine {
		return false
	}
	l.waiting++
	before, done := l.tail, make(chan struct{})
	l.tail = done
	s.work.start(func() {
		defer func() {
			l.mu.Lock()
			l.waiting--
			l.mu.Unlock()
			close(done)
		}()
		if before != nil {
			<-before
		}
		f()
	})
	return true
}

// tell sends events to the event hooks.
func (s *shell) tell(c *canaryv1beta1.Canary, session *session, events []canary.Event) {
	hooks := s.eventHooks(c)
	if len(hooks) == 0 || len(events) == 0 {
		return
	}
	now := s.clock.Now()
	if !s.inLine(&session.telling, func() {
		for _, e := range events {
			for _, hook := range hooks {
				s.tellOne(c, hook, e, now)
			}
		}
	}) {
		s.log.Warn("event hooks not told: too many events wait for them", "canary", fullName(c))
	}
}

func (s *shell) tellOne(c *canaryv1beta1.Canary, hook canaryv1beta1.CanaryWebhook, e canary.Event, at time.Time) {
	began := time.Now()
	err := s.hooks.Tell(s.background, c, hook, e.Message, e.Type, at)
	s.counters.called(hook.Type, err, time.Since(began))
	if err != nil {
		s.log.Warn("event hook failed", "canary", fullName(c), "hook", hook.Name, "error", err.Error())
	}
}

// eventHooks are the Canary's own, or the one that all Canaries without have.
func (s *shell) eventHooks(c *canaryv1beta1.Canary) []canaryv1beta1.CanaryWebhook {
	var hooks []canaryv1beta1.CanaryWebhook
	if c.Spec.Analysis != nil {
		for _, hook := range c.Spec.Analysis.Webhooks {
			if hook.Type == canaryv1beta1.EventHook {
				hooks = append(hooks, hook)
			}
		}
	}
	if len(hooks) == 0 && s.eventWebhook != "" {
		hooks = append(hooks, canaryv1beta1.CanaryWebhook{Name: "events", Type: canaryv1beta1.EventHook, URL: s.eventWebhook})
	}
	return hooks
}
