package canary

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/test/promises"
)

// continuously is the demo's Canary with the continuous judge.
var continuously = strings.Replace(podinfoCanary, "    interval: 10s\n", "    interval: 10s\n    gate: {mode: Continuous}\n", 1)

func TestTheContinuousJudgeRollsBackWithinSeconds(t *testing.T) {
	w := initialised(t, continuously)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.2")
	w.until("the canary has traffic", func() bool { return w.canary().Status.CanaryWeight == 20 })
	e := w.canary().Status.Rollout.Evidence
	if e == nil || len(e.Metrics) != 2 || e.Metrics[0].Primary.Requests < 1000 {
		t.Fatalf("the primary was not read before the first step: %+v", e)
	}
	w.traffic.set(func(f *traffic) { f.failing, f.spares = true, "podinfo-primary" })
	began := w.clock.Now()
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	took := w.clock.Since(began)
	if weights := w.weights.all(); weights[len(weights)-1] != 0 || slices.Max(weights[1:]) > 20 {
		t.Errorf("weights %v: no step up after the first failure, and zero at the end", weights)
	}
	// The clock runs on while the machine thinks, so this is no measurement; the interval judge takes two checks.
	if took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	c := w.canary()
	if e := c.Status.Rollout.Evidence; e.Verdict != canaryv1beta1.VerdictFail || e.Metrics[0].Canary.Bad == 0 || e.Metrics[0].Primary.Bad != 0 {
		t.Errorf("evidence %+v", e)
	}
	if c.Status.FailedChecks != 0 || w.told("failed checks threshold reached") != 0 {
		t.Errorf("checks decided: %v", c.Status.FailedChecks)
	}
	w.until("the event", func() bool { return w.told("Rolling back podinfo."+w.namespace+" most requests are bad") == 1 })
	if got := w.metric("sluice_canary_verdicts_total"); got < 2 {
		t.Errorf("%v verdicts were counted", got)
	}
}

func TestACommonOutageRollsNobodyBack(t *testing.T) {
	w := initialised(t, continuously)
	stop := w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.2")
	w.until("the canary has traffic", func() bool { return w.canary().Status.CanaryWeight == 20 })
	w.traffic.set(func(f *traffic) { f.failing = true })
	seconds := func(n int) {
		for range n {
			w.clock.Step(time.Second)
			time.Sleep(20 * time.Millisecond)
		}
	}
	seconds(60)
	stop() // a new leader knows no more, and no less
	w.start()
	w.until("the next check", func() bool { return w.told("advancement success rate") > 0 })
	seconds(60)
	if st := w.canary().Status; st.Phase != canaryv1beta1.CanaryPhaseProgressing || st.CanaryWeight != 20 || st.FailedChecks != 0 {
		t.Errorf("%+v", st)
	}
	if e := w.canary().Status.Rollout.Evidence; e == nil || e.Verdict != canaryv1beta1.VerdictInconclusive || e.Metrics[0].Canary.Bad < 500 {
		t.Errorf("evidence %+v", e)
	}
}

func TestThePageHasTheMetricsOfTheContinuousJudge(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newEvidenceMetrics(registry)
	m.recorded("a", "b", nil, &canaryv1beta1.EvidenceStatus{Verdict: canaryv1beta1.VerdictPass, LogEvidence: "-1.2", Limit: "4.61"})
	promises.Metrics(t, "../../..", registry, 3)
}
