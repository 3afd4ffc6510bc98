package canary

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// session is what this process keeps of a Canary between two passes. None of it is needed to go on after a restart:
// a question without an answer is asked again, and counters are read again.
type session struct {
	mu      sync.Mutex
	answers map[questionID]answer
	asking  *asking
	poll    *poll
	// verdicts are those of the proxies on the router's weights, while they are waited for.
	verdicts *verdicts
	// complaint is the last thing that went wrong and was said aloud, so that it is said once.
	complaint string
	// telling and alerting are what is told to event hooks and to people: in order, and neither waits for the other.
	telling, alerting line
}

// questionID tells questions apart: a metric may have the name of a hook.
type questionID struct {
	metric bool
	key    string
}

func idOf(q canary.Question) questionID { return questionID{q.Metric != nil, q.Key} }

// answer is what came back for a question, until the plan no longer asks it.
type answer struct {
	checkID string
	hook    *canary.HookAnswer
	metric  *canary.Measurement
}

// asking is a run of questions, one after the other.
type asking struct {
	questions []canary.Question
	cancel    context.CancelFunc
}

// answered copies the answers that are there into an observation.
func (s *session) answered(obs *canary.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.answers {
		if a.hook != nil {
			obs.Hooks[id.key] = *a.hook
		}
		if a.metric != nil {
			obs.Metrics[id.key] = *a.metric
		}
	}
}

// settle forgets the answers of checks that the recorded plan no longer asks about.
func (s *session) settle(ask []canary.Question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := map[string]bool{}
	for _, q := range ask {
		current[q.CheckID] = true
	}
	maps.DeleteFunc(s.answers, func(_ questionID, a answer) bool { return !current[a.checkID] })
}

// ask answers the questions of a plan beside the worker. A run that is under way for the same questions goes on, and so
// does one when nothing is asked: a hook may be called for the load that it generates, whatever it answers. Only newer
// questions end it, so that a hook that hangs holds nothing but itself.
func (s *shell) ask(c *canaryv1beta1.Canary, session *session, questions []canary.Question) {
	session.mu.Lock()
	defer session.mu.Unlock()
	open := slices.DeleteFunc(slices.Clone(questions), func(q canary.Question) bool {
		a, ok := session.answers[idOf(q)]
		return ok && a.checkID == q.CheckID
	})
	run := session.asking
	if len(open) == 0 || run != nil && covers(run.questions, open) {
		return
	}
	if run != nil {
		run.cancel()
	}
	ctx, cancel := context.WithCancel(s.background)
	run = &asking{questions: open, cancel: cancel}
	session.asking = run
	s.work.start(func() { s.answerAll(ctx, c, session, run) })
}

// maxAsked bounds how many providers are asked at the same time for one Canary.
const maxAsked = 4

// answerAll asks the hooks one after the other and stops at the first that fails: later hooks of a check are for
// releases that passed the earlier ones. Metrics have no order, and one slow provider must not add to another.
func (s *shell) answerAll(ctx context.Context, c *canaryv1beta1.Canary, session *session, run *asking) {
	defer run.cancel()
	var metrics errgroup.Group
	metrics.SetLimit(maxAsked)
	for _, q := range run.questions {
		if q.Metric != nil {
			metrics.Go(func() error {
				s.answerOne(ctx, c, session, q)
				return nil
			})
			continue
		}
		if !s.answerOne(ctx, c, session, q) {
			break
		}
	}
	_ = metrics.Wait() // what goes wrong is in the answers
	session.mu.Lock()
	defer session.mu.Unlock()
	if session.asking == run {
		session.asking = nil
	}
}

// answerOne asks one question, and tells whether the ones after it are wanted.
func (s *shell) answerOne(ctx context.Context, c *canaryv1beta1.Canary, session *session, q canary.Question) bool {
	a := s.answer(ctx, c, q)
	session.mu.Lock()
	if ctx.Err() != nil { // stopped: a newer run may have asked the same question
		session.mu.Unlock()
		return false
	}
	session.answers[idOf(q)] = a
	session.mu.Unlock()
	s.wake(keyOf(c))
	return a.hook == nil || a.hook.Err == ""
}

func (s *shell) answer(ctx context.Context, c *canaryv1beta1.Canary, q canary.Question) answer {
	if q.Metric != nil {
		m := s.measure(ctx, c, *q.Metric)
		return answer{checkID: q.CheckID, metric: &m}
	}
	a := canary.HookAnswer{CheckID: q.CheckID}
	began := time.Now()
	err := s.hooks.Call(ctx, c, q.Phase, q.Hook)
	s.counters.called(q.Hook.Type, err, time.Since(began))
	if err != nil {
		a.Err = err.Error()
	}
	return answer{checkID: q.CheckID, hook: &a}
}

// covers says whether a run answers all these questions.
func covers(run, questions []canary.Question) bool {
	for _, q := range questions {
		if !slices.ContainsFunc(run, func(r canary.Question) bool {
			return idOf(r) == idOf(q) && r.CheckID == q.CheckID
		}) {
			return false
		}
	}
	return true
}

// sessions are the sessions of all Canaries.
type sessions struct {
	mu    sync.Mutex
	byKey map[types.NamespacedName]*session
}

func (s *sessions) of(key types.NamespacedName) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[key] == nil {
		s.byKey[key] = &session{answers: map[questionID]answer{}}
	}
	return s.byKey[key]
}

// end stops whatever runs for a Canary that is no more.
func (s *sessions) end(key types.NamespacedName) {
	s.mu.Lock()
	session := s.byKey[key]
	delete(s.byKey, key)
	s.mu.Unlock()
	if session == nil {
		return
	}
	session.mu.Lock()
	if session.asking != nil {
		session.asking.cancel()
		session.asking = nil
	}
	session.mu.Unlock()
	session.stopPolling()
	session.stopVerdicts()
}

func newSessions() sessions {
	return sessions{byKey: map[types.NamespacedName]*session{}}
}

// polling lists the Canaries of a namespace whose pods are polled.
func (s *sessions) polling(namespace string) []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []types.NamespacedName
	for key, session := range s.byKey {
		if key.Namespace != namespace {
			continue
		}
		session.mu.Lock()
		if session.poll != nil {
			out = append(out, key)
		}
		session.mu.Unlock()
	}
	return out
}
