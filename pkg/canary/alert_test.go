package canary

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestFires(t *testing.T) {
	const info, warn, bad = canaryv1beta1.SeverityInfo, canaryv1beta1.SeverityWarn, canaryv1beta1.SeverityError
	all := []canaryv1beta1.AlertSeverity{info, warn, bad}
	for wanted, want := range map[canaryv1beta1.AlertSeverity][]canaryv1beta1.AlertSeverity{
		"": all, info: all, warn: {warn, bad}, bad: {bad},
	} {
		var got []canaryv1beta1.AlertSeverity
		for _, severity := range all {
			if Fires(canaryv1beta1.CanaryAlert{Severity: wanted}, severity) {
				got = append(got, severity)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("an alert of severity %q (-want +got):\n%s", wanted, diff)
		}
	}
}

func TestAboutCanary(t *testing.T) {
	headers := []canaryv1beta1.AnalysisMatch{{Headers: map[string]canaryv1beta1.StringMatch{"x-canary": {Exact: new("yes")}}}}
	for routing, analysis := range map[string]canaryv1beta1.CanaryAnalysis{
		"Weight step: 5 max: 50":       {StepWeight: num(5), MaxWeight: num(50)},
		"Weight steps: 5,20,50 max: 0": {StepWeights: []canaryv1beta1.Number{5, 20, 50}},
		"Blue/Green":                   {Iterations: num(10)},
		"A/B Testing":                  {Iterations: num(10), Match: headers},
	} {
		c := podinfo()
		analysis.Threshold = num(10)
		c.Spec.Analysis, c.Spec.ProgressDeadlineSeconds = &analysis, num(60)
		want := []AlertField{
			{"Target", "Deployment/podinfo.demo"}, {"Failed checks threshold", "10"}, {"Progress deadline", "60s"}, {"Traffic routing", routing},
		}
		if diff := cmp.Diff(want, settings{c}.aboutCanary()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}
