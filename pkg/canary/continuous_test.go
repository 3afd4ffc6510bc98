package canary

import (
	"fmt"
	"testing"

	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

func TestStandard(t *testing.T) {
	const on = "gate: {mode: Continuous}, "
	for name, c := range map[string]struct {
		analysis, want string
	}{
		"both metrics":                    {on + "metrics: [{name: request-success-rate, thresholdRange: {min: 99}}, {name: request-duration, thresholdRange: {max: 500}}]", "0.01 [{request-success-rate 0 0.01} {request-duration 500 0.01}]"},
		"the deprecated threshold":        {on + "metrics: [{name: request-success-rate, threshold: 95}]", "0.01 [{request-success-rate 0 0.05}]"},
		"without a range":                 {on + "metrics: [{name: request-success-rate}, {name: request-duration}]", "0.01 [{request-success-rate 0 1}]"},
		"a range that allows nothing":     {on + "metrics: [{name: request-success-rate, thresholdRange: {min: 100}}]", "0.01 [{request-success-rate 0 0}]"},
		"a range beyond sense":            {on + "metrics: [{name: request-success-rate, thresholdRange: {min: 101}}]", "0.01 [{request-success-rate 0 0}]"},
		"only a metric of a provider":     {on + "metrics: [{name: errors, templateRef: {name: a}}]", "off"},
		"another server has the metrics":  {on + "metrics: [{name: request-success-rate, query: up}]", "off"},
		"the default mode":                {"gate: {}, metrics: [{name: request-success-rate, thresholdRange: {min: 99}}]", "off"},
		"a rate":                          {"gate: {mode: Continuous, falseRollbackRate: 0.5%}, metrics: [{name: request-success-rate}]", "0.005 [{request-success-rate 0 1}]"},
		"a rate without its percent sign": {"gate: {mode: Continuous, falseRollbackRate: \"0.5\"}, metrics: [{name: request-success-rate}]", "0.01 [{request-success-rate 0 1}]"},
		"a rate that rolls everything back": {"gate: {mode: Continuous, falseRollbackRate: 50%}, metrics: [{name: request-success-rate}]",
			"0.01 [{request-success-rate 0 1}]"},
	} {
		c2 := &canaryv1beta1.Canary{}
		if err := yaml.UnmarshalStrict([]byte("spec: {analysis: {"+c.analysis+"}}"), c2); err != nil {
			t.Fatal(err)
		}
		got := "off"
		if s, ok := Standard(c2); ok {
			for i := range s.Measures { // 1-0.99 is not quite 0.01
				s.Measures[i].Allowed = float64(int(s.Measures[i].Allowed*1e6+0.5)) / 1e6
			}
			got = fmt.Sprint(s.FalseRollbackRate, s.Measures)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Evidence that somebody edited, or that is about other metrics, is not gone on from.
func TestRecordedEvidence(t *testing.T) {
	state := gate.MeasureEvidence{Debt: 3}.Text()
	for name, c := range map[string]struct {
		metrics []canaryv1beta1.MetricEvidence
		want    int64
	}{
		"as it was written": {[]canaryv1beta1.MetricEvidence{{Name: "request-success-rate", State: state}}, 7},
		"edited":            {[]canaryv1beta1.MetricEvidence{{Name: "request-success-rate", State: "1 2"}}, 0},
		"of another metric": {[]canaryv1beta1.MetricEvidence{{Name: "request-duration", State: state}}, 0},
		"of more metrics":   {[]canaryv1beta1.MetricEvidence{{Name: "request-success-rate", State: state}, {Name: "request-duration", State: state}}, 0},
	} {
		c2 := &canaryv1beta1.Canary{}
		c2.Spec.Analysis = &canaryv1beta1.CanaryAnalysis{
			Gate:    &canaryv1beta1.AnalysisGate{Mode: canaryv1beta1.GateModeContinuous},
			Metrics: []canaryv1beta1.CanaryMetric{{Name: "request-success-rate"}},
		}
		c2.Status.Rollout = &canaryv1beta1.RolloutStatus{Evidence: &canaryv1beta1.EvidenceStatus{Ticks: 7, Metrics: c.metrics}}
		e := RecordedEvidence(c2)
		if e.Ticks != c.want || len(e.Measures) != int(min(c.want, 1)) || c.want > 0 && e.Measures[0].Debt != 3 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
