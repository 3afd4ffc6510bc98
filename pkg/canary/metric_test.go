package canary

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestSentences(t *testing.T) {
	success, duration := canaryv1beta1.MetricRequestSuccessRate, canaryv1beta1.MetricRequestDuration
	between := func(low, high *canaryv1beta1.Number) *canaryv1beta1.CanaryThresholdRange {
		return &canaryv1beta1.CanaryThresholdRange{Min: low, Max: high}
	}
	template := &canaryv1beta1.CrossNamespaceObjectReference{Name: "errors"}
	for name, c := range map[string]struct {
		metric canaryv1beta1.CanaryMetric
		got    Measurement
		want   string // the verdict and, unless it passed, the sentence
	}{
		"a rate in its range": {canaryv1beta1.CanaryMetric{Name: success, ThresholdRange: between(num(99), nil)},
			Measurement{Value: 99}, "Pass"},
		"a rate below it": {canaryv1beta1.CanaryMetric{Name: success, ThresholdRange: between(num(99), nil)},
			Measurement{Value: 69.166}, "Fail Halt podinfo.demo advancement success rate 69.17% < 99%"},
		"a rate above it": {canaryv1beta1.CanaryMetric{Name: success, ThresholdRange: between(nil, num(99.5))},
			Measurement{Value: 100}, "Fail Halt podinfo.demo advancement success rate 100.00% > 99.5%"},
		"the deprecated threshold of a rate is a minimum": {canaryv1beta1.CanaryMetric{Name: success, Threshold: num(99)},
			Measurement{Value: 10}, "Fail Halt podinfo.demo advancement success rate 10.00% < 99%"},
		"the range wins over the deprecated threshold": {
			canaryv1beta1.CanaryMetric{Name: success, Threshold: num(99), ThresholdRange: between(num(5), nil)}, Measurement{Value: 10}, "Pass"},
		"a duration above its range": {canaryv1beta1.CanaryMetric{Name: duration, ThresholdRange: between(nil, num(500))},
			Measurement{Value: 1200}, "Fail Halt podinfo.demo advancement request duration 1.2s > 500ms"},
		"a duration is compared as it is printed": {canaryv1beta1.CanaryMetric{Name: duration, ThresholdRange: between(nil, num(500))},
			Measurement{Value: 500.9}, "Pass"},
		"a duration below its range": {canaryv1beta1.CanaryMetric{Name: duration, ThresholdRange: between(num(10), nil)},
			Measurement{Value: 3}, "Fail Halt podinfo.demo advancement request duration 3ms < 10ms"},
		"the deprecated threshold of a duration is a maximum": {canaryv1beta1.CanaryMetric{Name: duration, Threshold: num(500)},
			Measurement{Value: 501}, "Fail Halt podinfo.demo advancement request duration 501ms > 500ms"},
		"a custom metric": {canaryv1beta1.CanaryMetric{Name: "404s", TemplateRef: template, ThresholdRange: between(num(50), nil)},
			Measurement{Value: 12.341}, "Fail Halt podinfo.demo advancement 404s 12.34 < 50"},
		"a custom metric with the name of a built-in one": {
			canaryv1beta1.CanaryMetric{Name: success, TemplateRef: template, ThresholdRange: between(nil, num(1))},
			Measurement{Value: 2}, "Fail Halt podinfo.demo advancement request-success-rate 2.00 > 1"},
		"a metric without bounds": {canaryv1beta1.CanaryMetric{Name: duration}, Measurement{Value: 9000}, "Pass"},
		"no rate": {canaryv1beta1.CanaryMetric{Name: success}, Measurement{NoData: true},
			"Inconclusive Halt advancement no values found for appmesh:v1beta2 metric request-success-rate probably podinfo.demo is not receiving traffic: no values found"},
		"no duration": {canaryv1beta1.CanaryMetric{Name: duration}, Measurement{NoData: true},
			"Inconclusive Halt advancement no values found for appmesh:v1beta2 metric request-duration probably podinfo.demo is not receiving traffic"},
		"no custom value": {canaryv1beta1.CanaryMetric{Name: "404s", TemplateRef: template}, Measurement{NoData: true},
			"Inconclusive Halt advancement no values found for custom metric: 404s: no values found"},
		"no value of a query": {canaryv1beta1.CanaryMetric{Name: "404s", Query: "up"}, Measurement{NoData: true},
			"Inconclusive Halt advancement no values found for metric: 404s"},
		"a template that cannot be asked": {canaryv1beta1.CanaryMetric{Name: "404s", TemplateRef: template}, Measurement{Err: "timeout"},
			"Inconclusive Metric query failed for 404s: timeout"},
		"a query that cannot be asked": {canaryv1beta1.CanaryMetric{Name: "404s", Query: "up"}, Measurement{Err: "timeout"},
			"Inconclusive Prometheus query failed for 404s: timeout"},
		"an unknown name": {canaryv1beta1.CanaryMetric{Name: "rekwest"}, Measurement{Err: "what"},
			"Inconclusive Metric query failed for no usable metrics template and query were configured"},
		"pods that cannot be polled": {canaryv1beta1.CanaryMetric{Name: success, ThresholdRange: between(num(99), nil)},
			Measurement{Value: 100, Unreachable: []string{"a", "b"}},
			"Inconclusive Halt podinfo.demo advancement request-success-rate cannot be read from pods a; b"},
		"a failure that was seen counts although other pods cannot be polled": {
			canaryv1beta1.CanaryMetric{Name: success, ThresholdRange: between(num(99), nil)},
			Measurement{Value: 50, Unreachable: []string{"a"}}, "Fail Halt podinfo.demo advancement success rate 50.00% < 99%"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pass{settings: settings{podinfo()}}
			result, e := p.judgeOne(c.metric, c.got)
			got := string(result.Verdict)
			if e != nil {
				got += " " + e.Message
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMetricWindow(t *testing.T) {
	at := func(seconds int) metav1.Time { return metav1.NewTime(epoch.Add(time.Duration(seconds) * time.Second)) }
	for name, c := range map[string]struct {
		phase   canaryv1beta1.CanaryPhase
		weight  canaryv1beta1.Number
		reached metav1.Time
		want    string
	}{
		"long after the step":            {progressing, 10, at(10), "short 90s..100s, long 40s..100s"},
		"soon after the step":            {progressing, 10, at(95), "short 95s..100s, long 95s..100s"},
		"the weight is still on its way": {progressing, 10, metav1.Time{}, "short 90s..100s, long 60s..100s"},
		"a clock that lags":              {progressing, 10, at(200), "short 100s..100s, long 100s..100s"},
		"no traffic yet":                 {progressing, 0, at(10), ""},
		"waiting for promotion":          {waitingPromotion, 50, at(10), "short 90s..100s, long 40s..100s"},
		"nothing runs":                   {failed, 0, at(10), ""},
	} {
		t.Run(name, func(t *testing.T) {
			canary := podinfo()
			canary.Spec.Analysis.Metrics = []canaryv1beta1.CanaryMetric{{Name: "short", Interval: "10s"}, {Name: "long"}}
			canary.Status.Phase, canary.Status.CanaryWeight = c.phase, c.weight
			canary.Status.Rollout = &canaryv1beta1.RolloutStatus{StepReachedTime: c.reached, LastCheckTime: at(60)}
			got := ""
			if w := MetricWindow(canary, at(100).Time); w != nil {
				seconds := func(t time.Time) int { return int(t.Sub(epoch).Seconds()) }
				got = fmt.Sprintf("short %ds..%ds, long %ds..%ds", seconds(w["short"].From), seconds(w["short"].To),
					seconds(w["long"].From), seconds(w["long"].To))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// podinfo is a Canary for tests that need any.
func podinfo() *canaryv1beta1.Canary {
	c := &canaryv1beta1.Canary{}
	c.Name, c.Namespace = "podinfo", "demo"
	c.Spec.TargetRef = canaryv1beta1.LocalObjectReference{Kind: "Deployment", Name: "podinfo"}
	c.Spec.Analysis = &canaryv1beta1.CanaryAnalysis{Interval: "10s", StepWeight: num(10)}
	return c
}
