package canary

import (
	"fmt"
	"math"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// Preview is what a Canary does with its next version, in a cluster where nothing takes any time: every webhook agrees
// at once and every pod is ready at once. So its times are the earliest. The
// continuous judge reads pods once a second, and sees that all requests are good, or that all are bad.
type Preview struct {
	// Steps are in order. A failed check is one too: it changes the state.
	Steps []PreviewStep
	// End is the state that it comes to rest in. Its phase is Succeeded or Failed, or else Why says what holds it.
	End PreviewStep
	Why string
	// Unsupported is the message about fields that are accepted and not honoured; empty if all are.
	Unsupported string
}

// PreviewStep is a state on the way.
type PreviewStep struct {
	// After is the time since the new version was seen.
	After time.Duration
	Phase canaryv1beta1.CanaryPhase
	// Step counts the checks that passed.
	Step int
	// Weight is the canary's share of the strategy's requests, in percent.
	Weight int
	// Iterations and FailedChecks are those of the status.
	Iterations, FailedChecks int
	// Weights are what the apex router holds; the zero value without a mesh.
	Weights Weights
	// Events were emitted on the way into the state.
	Events []Event
}

// Assumptions are what a preview takes to be so.
type Assumptions struct {
	// FailFrom is the step from which on all checks fail; 0 lets all pass.
	FailFrom int
	// Blockers are those of an observation: sentences that keep a rollout from starting.
	Blockers []string
}

// maxPasses ends a preview that would go on for ever.
const maxPasses = 100_000

// NewPreview plays the next rollout of a Canary, whatever state it is in. The Canary is not changed.
func NewPreview(c *canaryv1beta1.Canary, a Assumptions) (Preview, error) {
	c = c.DeepCopy()
	c.Status = canaryv1beta1.CanaryStatus{}
	r := rehearsal{
		simulation:  newSimulation(c, &Workload{Name: c.Spec.TargetRef.Name, Replicas: 1, Revision: revisionOf("old")}),
		assumptions: a,
		now:         time.Unix(0, 0).UTC(),
	}
	if err := r.play(); err != nil { // the initialisation
		return Preview{}, err
	}
	r.preview, r.start, r.obs.Blockers = Preview{End: r.state()}, r.now, a.Blockers
	r.target.Revision = revisionOf("new")
	err := r.play()
	return r.preview, err
}

// revisionOf is a revision like those of real pod templates.
func revisionOf(template string) string { return Revision([]byte(template)) }

// rehearsal is a preview in the making.
type rehearsal struct {
	simulation
	assumptions Assumptions
	now, start  time.Time
	preview     Preview
	events      []Event // since the last step
}

// play goes on until nothing more will happen.
func (r *rehearsal) play() error {
	for range maxPasses {
		before, err := r.print()
		if err != nil {
			return err
		}
		plan := r.pass()
		asked := r.answer(plan.Ask)
		after, err := r.print()
		if err != nil {
			return err
		}
		switch {
		case before != after || asked || len(plan.Events) > 0:
		case plan.After == 0 || r.over():
			r.preview.Why, r.preview.End.Events = plan.Why, r.events
			return nil
		default:
			r.now = r.now.Add(plan.After)
		}
	}
	return fmt.Errorf("there is no end after %d passes", maxPasses)
}

// pass asks Next once, and makes true what it says.
func (r *rehearsal) pass() Plan {
	r.measure()
	plan := Next(r.canary, r.look(r.now))
	r.canary.Status = plan.Status
	for _, f := range plan.Facts {
		if r.make(f) != nil {
			break // the next pass goes on from there
		}
	}
	for _, e := range plan.Events {
		if n := len(r.events); n == 0 || r.events[n-1].Message != e.Message { // what is said at every check is told once
			r.events = append(r.events, e)
		}
	}
	if now := r.state(); !now.same(r.preview.End) {
		now.Events, r.events = r.events, nil
		r.preview.Steps, r.preview.End = append(r.preview.Steps, now), now
	}
	r.preview.Unsupported = ""
	for _, condition := range plan.Status.Conditions {
		if condition.Type == ConditionUnsupported {
			r.preview.Unsupported = condition.Message
		}
	}
	return plan
}

func (r *rehearsal) state() PreviewStep {
	st := r.canary.Status
	out := PreviewStep{
		After: r.now.Sub(r.start), Phase: st.Phase, Weight: st.CanaryWeight.Int(),
		Iterations: st.Iterations.Int(), FailedChecks: st.FailedChecks.Int(),
	}
	if st.Rollout != nil {
		out.Step = int(st.Rollout.Step)
	}
	if r.router != nil {
		out.Weights = *r.router
	}
	return out
}

// same tells whether nothing but time lies between two states. The router follows the status, and is no change of its own.
func (s PreviewStep) same(other PreviewStep) bool {
	return s.Phase == other.Phase && s.Step == other.Step && s.Weight == other.Weight &&
		s.Iterations == other.Iterations && s.FailedChecks == other.FailedChecks
}

// over tells whether the rollout is at its end, or never began.
func (r *rehearsal) over() bool {
	return !Watches(r.canary) && r.canary.Status.Phase != canaryv1beta1.CanaryPhasePromoting
}

// failing tells whether the checks fail by now.
func (r *rehearsal) failing() bool {
	rollout := r.canary.Status.Rollout
	return r.assumptions.FailFrom > 0 && rollout != nil && int(rollout.Step) >= r.assumptions.FailFrom
}

// measure gives every metric a value that passes, or one that fails.
func (r *rehearsal) measure() {
	s := settings{r.canary}
	for i, m := range s.analysis().Metrics {
		r.obs.Metrics[s.metricKey(i)] = Measurement{Value: assumed(m, r.failing()), Samples: 100}
	}
	r.obs.Evidence = r.evidence()
}

// evidence is what the continuous judge has seen: a reading a second of a primary that is well, and of a canary whose
// requests are all bad once the checks fail.
func (r *rehearsal) evidence() *gate.Evidence {
	standard, ok := Standard(r.canary)
	if !ok || !Watches(r.canary) {
		return nil
	}
	e := &gate.Evidence{Ticks: int64(r.now.Sub(r.canary.Status.Rollout.StartedTime.Time) / time.Second)}
	if !r.failing() {
		return e
	}
	const requests = 100
	bad := gate.Window{Requests: requests, Failures: requests}
	for _, m := range standard.Measures {
		if m.SlowMS > 0 {
			bad.Latency = []gate.Bucket{{UpperMS: m.SlowMS}, {UpperMS: math.Inf(1), Count: requests}}
		}
	}
	for range 2 {
		e.Add(standard, gate.Tick{Canary: gate.Arm{Window: bad}, Primary: gate.Arm{Window: gate.Window{Requests: requests}}}, true)
	}
	return e
}

func assumed(m canaryv1beta1.CanaryMetric, failing bool) float64 {
	switch b := bounds(m); {
	case b.Max != nil && failing:
		return math.Floor(*b.Max) + 1
	case b.Max != nil:
		return *b.Max
	case b.Min != nil && failing:
		return math.Ceil(*b.Min) - 1
	case b.Min != nil:
		return math.Ceil(*b.Min)
	}
	return 0
}

// answer answers webhooks as the assumptions say. Those that could ask for a rollback do not.
func (r *rehearsal) answer(questions []Question) bool {
	for _, q := range questions {
		a := HookAnswer{CheckID: q.CheckID}
		switch {
		case q.Hook.Type == canaryv1beta1.RollbackHook:
			a.Err = "no rollback"
		case q.Hook.Type == canaryv1beta1.RolloutHook && r.failing():
			a.Err = "assumed to fail"
		}
		r.obs.Hooks[q.Key] = a
	}
	return len(questions) > 0
}

// Sentences joins the messages of a step's events.
func (s PreviewStep) Sentences() string {
	var out []string
	for _, e := range s.Events {
		out = append(out, e.Message)
	}
	return strings.Join(out, "; ")
}

// Describe says in a clause what kind of release a Canary's spec asks for, and how it is judged.
func Describe(c *canaryv1beta1.Canary) string {
	s := settings{c}
	if s.skipAnalysis() {
		return "no analysis, promoted as soon as the new version is ready"
	}
	kind := map[canaryv1beta1.ReleaseStrategy]string{
		canaryv1beta1.StrategyWeighted:  "weighted, shares of all requests",
		canaryv1beta1.StrategyABTesting: "A/B test, shares of the requests that match",
		canaryv1beta1.StrategyBlueGreen: "blue/green, shares of all requests",
	}[s.strategy()]
	if !s.routed() {
		kind = "without a mesh, requests stay with the primary"
	}
	rollback := fmt.Sprintf("rolled back at failed check %d", s.threshold())
	if s.actsContinuously() {
		rollback += ", or by the continuous judge at any moment"
	}
	return fmt.Sprintf("%s; a check every %s, %s", kind, s.interval(), rollback)
}
