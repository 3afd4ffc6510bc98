package canary

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/gate"
)

// judged is a poll of one canary pod and one primary pod, each with 50 requests a second, that has been judged for two minutes.
type judged struct {
	*poll
	now             time.Time
	canary, primary gate.Counters
}

func newJudged() *judged {
	j := &judged{now: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), poll: &poll{pods: map[string]Pod{"c": {UID: "c"}, "p": {UID: "p", Primary: true}}}}
	j.trial = trial{on: true, compares: true, standard: gate.Standard{FalseRollbackRate: 0.01, Measures: []gate.Measure{{Allowed: 0.01}}}}
	j.trial.verdict = gate.Inconclusive
	j.read(0, 0)
	j.tick(j.now)
	for range 120 {
		j.read(time.Second, 0)
		j.tick(j.now)
	}
	j.trial.verdict = j.trial.standard.Judge(j.trial.evidence).Verdict
	return j
}

// read lets time pass, in which part of the canary's requests fail, and reads both pods.
func (j *judged) read(after time.Duration, failing float64) {
	j.now = j.now.Add(after)
	n := uint64(after.Seconds() * 50)
	bad := uint64(float64(n) * failing)
	j.canary.Requests, j.canary.Class[2], j.canary.Class[5] = j.canary.Requests+n, j.canary.Class[2]+n-bad, j.canary.Class[5]+bad
	j.primary.Requests, j.primary.Class[2] = j.primary.Requests+n, j.primary.Class[2]+n
	j.history.Add(gate.Sample{Pod: "c", Epoch: "1", At: j.now, Counters: j.canary})
	j.poll.primary.Add(gate.Sample{Pod: "p", Epoch: "1", At: j.now, Counters: j.primary})
}

// TestACollapseIsSeenAhead begins to fail at the end of a tick, so that few of its requests are bad, and is found out half a
// second later and not at the end of the next tick.
func TestACollapseIsSeenAhead(t *testing.T) {
	j := newJudged()
	j.read(time.Second, 0.1)
	if _, soon := j.tick(j.now); !soon || j.trial.evidence.Collapsing {
		t.Fatalf("the first failures: soon %t, evidence %+v", soon, j.trial.evidence)
	}
	j.read(time.Second/4, 1)
	if look, soon := j.between(j.now); look || !soon {
		t.Fatalf("a quarter of a second later: look %t, soon %t", look, soon)
	}
	j.read(time.Second/4, 1)
	if look, _ := j.between(j.now); !look || j.trial.evidence.Crash != gate.CrashCollapse {
		t.Fatalf("half a second later: look %t, crash %q", look, j.trial.evidence.Crash)
	}
}

// TestLookingAheadIsNoEvidence lets failures end as they began: what was seen in between counts once.
func TestLookingAheadIsNoEvidence(t *testing.T) {
	looks, waits := newJudged(), newJudged()
	for _, j := range []*judged{looks, waits} {
		j.read(time.Second, 0.1)
		j.tick(j.now)
		j.read(time.Second/4, 1)
		if j == looks {
			j.between(j.now)
		}
		j.read(time.Second/4, 0.2)
		if j == looks {
			if look, soon := j.between(j.now); look || soon {
				t.Errorf("failures that end: look %t, soon %t", look, soon)
			}
		}
		j.read(time.Second/2, 0)
		j.tick(j.now)
	}
	if diff := cmp.Diff(waits.trial.evidence, looks.trial.evidence, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Errorf("-without looks +with:\n%s", diff)
	}
}
