package canary

import (
	"fmt"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestStandingOf(t *testing.T) {
	const weighted = "analysis: {interval: 30s, threshold: 5, stepWeight: 10, maxWeight: 50"
	const check = `lastCheckTime: "2026-11-24T12:00:00Z"`
	for name, c := range map[string]struct{ spec, status, want string }{
		"before anything":                 {weighted + "}", "{}", "0 of 5, next -"},
		"in the middle":                   {weighted + "}", "{phase: Progressing, canaryWeight: 20, rollout: {step: 2, " + check + "}}", "2 of 5, next 12:00:30"},
		"a step that took long":           {weighted + ", metrics: [{name: request-success-rate}]}", "{phase: Progressing, canaryWeight: 20, rollout: {step: 2, " + check + `, stepReachedTime: "2026-11-24T12:00:25Z"}}`, "2 of 5, next 12:00:40"},
		"at the end":                      {weighted + "}", "{phase: WaitingPromotion, canaryWeight: 50, rollout: {step: 5, " + check + "}}", "5 of 5, next 12:00:30"},
		"a schedule that was edited":      {weighted + "}", "{phase: Progressing, canaryWeight: 45, rollout: {step: 2, " + check + "}}", "2 of 3, next 12:00:30"},
		"with a mirror":                   {weighted + ", mirror: true}", "{}", "0 of 6, next -"},
		"blue/green":                      {"analysis: {interval: 30s, iterations: 3}", "{phase: Progressing, iterations: 1, rollout: {step: 1, " + check + "}}", "1 of 4, next 12:00:30"},
		"an A/B test":                     {"analysis: {interval: 30s, iterations: 3, match: [{headers: {a: {exact: b}}}]}", "{}", "0 of 3, next -"},
		"no step":                         {"analysis: {interval: 30s, stepWeight: 0}", "{}", "0 of 0, next -"},
		"no analysis":                     {"skipAnalysis: true", "{phase: Progressing, rollout: {" + check + "}}", "0 of 0, next -"},
		"suspended":                       {"suspend: true, " + weighted + "}", "{phase: Progressing, canaryWeight: 20, rollout: {step: 2, " + check + "}}", "2 of 5, next -"},
		"promoting":                       {weighted + "}", "{phase: Promoting, canaryWeight: 50, rollout: {step: 5, " + check + "}}", "5 of 5, next -"},
		"waiting for somebody to promote": {weighted + "}", `{phase: WaitingPromotion, canaryWeight: 50, rollout: {step: 5, why: "Halt web.shop advancement waiting for promotion approval the board"}}`, "5 of 5, next -, gate the board"},
		"waiting for something else":      {weighted + "}", `{phase: Progressing, canaryWeight: 50, rollout: {step: 5, why: "Halt web.shop advancement success rate 1% < 99%"}}`, "5 of 5, next -"},
	} {
		can := &canaryv1beta1.Canary{}
		text := "metadata: {name: web, namespace: shop}\nspec: {targetRef: {kind: Deployment, name: web}, " + c.spec + "}\nstatus: " + c.status
		if err := yaml.UnmarshalStrict([]byte(text), can); err != nil {
			t.Fatal(name, err)
		}
		s := StandingOf(can)
		next := "-"
		if !s.NextCheck.IsZero() {
			next = s.NextCheck.UTC().Format(time.TimeOnly)
		}
		got := fmt.Sprintf("%d of %d, next %s", s.Step, s.Steps, next)
		if s.Gate != "" {
			got += ", gate " + s.Gate
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
