package canary

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// trial plays the shell's part of the continuous judge: every second both versions serve, and a tick is added.
type trial struct {
	arms     [2]served // canary and primary
	crash    string
	rollout  string
	evidence gate.Evidence
	verdict  gate.Verdict
}

// served is what a version does each second, and has done so far.
type served struct {
	perSecond, failed, slow float64 // the latter in percent
	total                   [3]float64
}

// serves reads canary=25/50/2.
func (t *trial) serves(key, value string) error {
	arm := &t.arms[map[string]int{"canary": 0, "primary": 1}[key]]
	arm.perSecond, arm.failed, arm.slow = 0, 0, 0
	numbers := []*float64{&arm.perSecond, &arm.failed, &arm.slow}
	for i, number := range strings.Split(value, "/") {
		if _, err := fmt.Sscan(number, numbers[i]); err != nil {
			return fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	return nil
}

// second is what a version counts in a second. Fractions of requests are kept for later.
func (a *served) second() gate.Window {
	var n [3]uint64
	for i, more := range []float64{a.perSecond, a.perSecond * a.failed / 100, a.perSecond * a.slow / 100} {
		before := math.Floor(a.total[i] + 1e-9)
		a.total[i] += more
		n[i] = uint64(math.Floor(a.total[i]+1e-9) - before)
	}
	return gate.Window{Requests: n[0], Failures: n[1], Latency: []gate.Bucket{
		{UpperMS: 500, Count: n[0] - min(n[2], n[0])}, {UpperMS: math.Inf(1), Count: n[0]},
	}}
}

// gathered is what the shell hands to a pass.
func (t *trial) gathered(c *canaryv1beta1.Canary) *gate.Evidence {
	standard, ok := Standard(c)
	if !ok || !Watches(c) {
		t.rollout = ""
		return nil
	}
	if id := RolloutID(c); t.rollout != id {
		t.rollout, t.evidence = id, RecordedEvidence(c)
	}
	seen := t.evidence
	seen.Measures = slices.Clone(seen.Measures)
	t.verdict = standard.Judge(seen).Verdict
	return &seen
}

// live lets the seconds pass until a moment. A verdict is acted on in the second in which it falls.
func (w *world) live(until time.Time) error {
	for w.now.Before(until) {
		standard, ok := Standard(w.canary)
		if !ok || w.trial.rollout == "" {
			w.now = until
			return nil
		}
		w.now = w.now.Add(min(time.Second, until.Sub(w.now)))
		tick := gate.Tick{Canary: gate.Arm{Window: w.trial.arms[0].second()}, Primary: gate.Arm{Window: w.trial.arms[1].second()}}
		if w.trial.crash != "" && w.trial.crash != "none" {
			tick.Canary.CrashLooping = []string{w.trial.crash}
		}
		w.trial.evidence.Add(standard, tick, Compares(w.canary))
		if standard.Judge(w.trial.evidence).Verdict != w.trial.verdict {
			if err := w.settle(); err != nil {
				return err
			}
		}
	}
	return nil
}

// restart is another process that takes over: it has the state, and nothing else.
func (w *world) restart([]string) error {
	w.obs.MeasuringSince, w.obs.Hooks = w.now, nil
	clear(w.late) // nobody is there to hear them
	w.trial.rollout, w.trial.evidence = "", gate.Evidence{}
	return nil
}

func evidenceOf(st canaryv1beta1.CanaryStatus) *canaryv1beta1.EvidenceStatus {
	if st.Rollout == nil {
		return nil
	}
	return st.Rollout.Evidence
}
