package canary

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// hook is a webhook of the spec with the key of its answers.
type hook struct {
	canaryv1beta1.CanaryWebhook
	key string
}

// hooks lists the webhooks of some types in the order of the spec. An empty type is rollout.
func (p *pass) hooks(types ...canaryv1beta1.HookType) []hook {
	var out []hook
	seen := map[string]int{}
	for _, w := range p.analysis().Webhooks {
		key := w.Name
		if seen[w.Name]++; seen[w.Name] > 1 {
			key = fmt.Sprintf("%s#%d", w.Name, seen[w.Name])
		}
		if w.Type == "" {
			w.Type = canaryv1beta1.RolloutHook
		}
		if slices.Contains(types, w.Type) {
			out = append(out, hook{w, key})
		}
	}
	return out
}

// checkID names the check that is due. It follows from the state, so a question that is asked twice has one name.
func (p *pass) checkID() string {
	return fmt.Sprintf("%s/%d/%d", p.st.Rollout.Revision, p.st.Rollout.Step, p.due().Unix())
}

func (p *pass) answer(h hook, check string) (HookAnswer, bool) {
	a, ok := p.obs.Hooks[h.key]
	return a, ok && a.CheckID == check
}

// questions asks those hooks that have not answered this check yet.
func (p *pass) questions(hooks []hook, check string) []Question {
	var out []Question
	for _, h := range hooks {
		if _, ok := p.answer(h, check); !ok {
			out = append(out, Question{Key: h.key, Hook: h.CanaryWebhook, Phase: p.hookPhase(h), CheckID: check})
		}
	}
	return out
}

// hookPhase is the phase that a hook is told. While a rollout runs that is Progressing, whatever the details.
func (p *pass) hookPhase(h hook) string {
	switch h.Type {
	case canaryv1beta1.ConfirmRolloutHook, canaryv1beta1.RollbackHook, canaryv1beta1.PostRolloutHook:
		return string(p.st.Phase)
	}
	return string(progressing)
}

// askAll asks what is unanswered and tells whether there was anything.
func (p *pass) askAll(hooks []hook) bool {
	q := p.questions(hooks, p.checkID())
	if len(q) > 0 {
		p.ask = q
		p.wait(fmt.Sprintf("%s %s", waitsForHook, q[0].Hook.Name))
		// A hook that hangs must not hide that the metrics turn bad meanwhile.
		p.wake(time.Second)
	}
	return len(q) > 0
}

const waitsForHook = "waits for the answer of webhook"

// announce says that the analysis starts, once per check: not again when the check goes on after the hooks' answers.
func (p *pass) announce() {
	if p.was.Rollout == nil || !strings.HasPrefix(p.was.Rollout.Why, waitsForHook) {
		p.emit(normal(ReasonStarted, "Starting canary analysis for %s", p.target()))
	}
}

// checkHooks are the webhooks whose refusal is a failed check.
func (p *pass) checkHooks() []hook {
	if !p.underway() {
		return slices.DeleteFunc(p.hooks(canaryv1beta1.PreRolloutHook), func(h hook) bool {
			return slices.Contains(p.st.Rollout.HooksPassed, h.key)
		})
	}
	if !p.hooksDue() {
		return nil
	}
	return p.hooks(canaryv1beta1.RolloutHook)
}

// hooksDue spares the webhooks when the Envoys are looked at more often than minInterval: they are called at the
// checks that are the first of a stretch of minInterval. The stretches are counted so that the first check with
// traffic, which as a rule is the second of the rollout, begins one: a hook that generates load is not late.
func (p *pass) hooksDue() bool {
	if p.interval() >= minInterval {
		return true
	}
	var origin int64 // in seconds; a rollout that waits for approval has not started
	if start := p.st.Rollout.StartedTime; !start.IsZero() {
		origin = start.Add(2 * p.interval()).Unix()
	}
	stretch := func(t time.Time) int64 {
		return int64(math.Floor(float64(t.Unix()-origin) / minInterval.Seconds()))
	}
	return stretch(p.due()) != stretch(p.st.Rollout.LastCheckTime.Time)
}

// callHooks asks the hooks of this check and reads their answers: what failed, and whether all have answered.
func (p *pass) callHooks() (failure *Event, answered bool) {
	kind := "external"
	if !p.underway() {
		kind = "pre-rollout"
	}
	hooks := p.checkHooks()
	for _, h := range hooks {
		a, ok := p.answer(h, p.checkID())
		switch {
		case ok && a.Err != "":
			e := warning(ReasonHookFailed, "Halt %s advancement %s check %s failed %s", p.full(), kind, h.Name, a.Err)
			if !p.underway() {
				e = e.alerting(canaryv1beta1.SeverityWarn, "Pre-rollout check %s failed %s", h.Name, a.Err).
					once(fmt.Sprintf("pre-rollout %s %s", h.key, p.step())).muted(h)
			}
			return &e, true
		case ok && h.Type == canaryv1beta1.PreRolloutHook:
			// Kept in the state: an acceptance test that passed is not run again.
			p.st.Rollout.HooksPassed = append(p.st.Rollout.HooksPassed, h.key)
			p.emit(normal(ReasonHookPassed, "Pre-rollout check %s passed", h.Name))
		}
	}
	return nil, !p.askAll(hooks)
}

// rollbackAsked asks the rollback hooks. One that agrees wins; unanswered ones are in p.ask afterwards.
func (p *pass) rollbackAsked() bool {
	hooks := p.hooks(canaryv1beta1.RollbackHook)
	if len(hooks) == 0 || !p.hooksDue() {
		return false
	}
	for _, h := range hooks {
		if a, ok := p.answer(h, p.checkID()); ok && a.Err == "" {
			p.emit(warning(ReasonHookPassed, "Rollback check %s passed", h.Name))
			return true
		}
	}
	p.askAll(hooks)
	return false
}

// approval is a kind of webhook that holds a rollout until it agrees.
type approval struct {
	hook canaryv1beta1.HookType
	// halt and passed are the words between the Canary's and the hook's name.
	halt, passed string
	// phase is where the Canary waits; empty: where it is.
	phase canaryv1beta1.CanaryPhase
	// alert is what people are told.
	alert string
}

var (
	confirmRollout = approval{canaryv1beta1.ConfirmRolloutHook,
		"waiting for approval", "Confirm-rollout", canaryv1beta1.CanaryPhaseWaiting,
		"Canary is waiting for approval."}
	confirmPromotion = approval{canaryv1beta1.ConfirmPromotionHook,
		"waiting for promotion approval", "Confirm-promotion", canaryv1beta1.CanaryPhaseWaitingPromotion,
		"Canary promotion is waiting for approval."}
	confirmTrafficIncrease = approval{canaryv1beta1.ConfirmTrafficIncreaseHook,
		"waiting for traffic increase approval", "Confirm-traffic-increase", "",
		"Canary traffic increase is waiting for approval."}
)

// approved asks the hooks of an approval. While one has not answered the pass ends with the question; one that refuses
// halts until the next check, without counting a failure.
func (p *pass) approved(g approval) bool {
	hooks := p.hooks(g.hook)
	if len(hooks) > 0 && !p.hooksDue() {
		p.wait(fmt.Sprintf("waits for the next call of webhook %s", hooks[0].Name))
		p.checked()
		return false
	}
	for _, h := range hooks {
		a, ok := p.answer(h, p.checkID())
		if ok && a.Err != "" {
			p.halt(warning(ReasonWaitingForApproval, "%s%s", p.haltedBy(g), h.Name).
				alerting(canaryv1beta1.SeverityWarn, "%s", g.alert).once(fmt.Sprintf("approval %s %s", h.key, p.step())).muted(h))
			if g.phase != "" && g.phase != p.st.Phase {
				p.enter(g.phase)
			}
			return false
		}
	}
	if p.askAll(hooks) {
		return false
	}
	for _, h := range hooks {
		p.emit(normal(ReasonHookPassed, "%s check %s passed", g.passed, h.Name))
	}
	return true
}

// askPostRollout calls the post-rollout hooks once a rollout is over. Their answers decide nothing.
func (p *pass) askPostRollout() {
	r := p.st.Rollout
	if r.StartedTime.IsZero() {
		return
	}
	check := fmt.Sprintf("%s/%s/%d", r.Revision, p.st.Phase, r.StartedTime.Unix())
	var open []hook
	for _, h := range p.hooks(canaryv1beta1.PostRolloutHook) {
		if slices.Contains(r.HooksPassed, h.key) {
			continue
		}
		switch a, ok := p.answer(h, check); {
		case !ok:
			open = append(open, h)
			continue
		case a.Err != "":
			p.emit(warning(ReasonHookFailed, "Post-rollout hook %s failed %s", h.Name, a.Err))
		default:
			p.emit(normal(ReasonHookPassed, "Post-rollout check %s passed", h.Name))
		}
		r.HooksPassed = append(r.HooksPassed, h.key)
	}
	if p.ask = p.questions(open, check); len(open) > 0 {
		p.wake(time.Second)
	}
}
