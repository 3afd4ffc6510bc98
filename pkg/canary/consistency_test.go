package canary

import (
	"strings"
	"testing"
)

func TestWhatTheConditionConsistentSays(t *testing.T) {
	missing := RuleFinding{Rule: "SL002", Error: true, Text: "spec.autoscalerRef.name: SL002: there is none"}
	alone := RuleFinding{Rule: "SL004", Text: "spec.autoscalerRef: SL004: one pod"}
	proxies := RuleFinding{Rule: "SL011", Text: "HorizontalPodAutoscaler podinfo: spec.metrics[0]: SL011: proxies count"}
	long := RuleFinding{Rule: "SL011", Text: strings.Repeat("much to say ", 30)}
	for name, tc := range map[string]struct {
		findings []RuleFinding
		want     string
	}{
		"nothing":             {nil, "True NoFindings The rulebook finds nothing."},
		"a warning":           {[]RuleFinding{alone}, "True Warnings 1 warning (SL004): " + alone.Text},
		"errors come first":   {[]RuleFinding{alone, missing}, "False Errors 1 error (SL002), 1 warning (SL004): " + missing.Text + "; " + alone.Text},
		"an id is named once": {[]RuleFinding{alone, alone}, "True Warnings 2 warnings (SL004): " + alone.Text + "; " + alone.Text},
		"after a long one":    {[]RuleFinding{long, alone}, "True Warnings 2 warnings (SL004, SL011): " + long.Text + "; and 1 more: kubectl sluice lint --live"},
		"three are quoted": {
			[]RuleFinding{alone, proxies, proxies, missing, alone},
			"False Errors 1 error (SL002), 4 warnings (SL004, SL011): " + strings.Join([]string{missing.Text, alone.Text, proxies.Text}, "; ") +
				"; and 2 more: kubectl sluice lint --live",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Consistency{Findings: tc.findings}
			if got := string(c.status()) + " " + c.reason() + " " + c.message(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
