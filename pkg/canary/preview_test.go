package canary

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestPreview(t *testing.T) {
	const metrics = ", metrics: [{name: request-success-rate, thresholdRange: {min: 99}}, {name: request-duration, thresholdRange: {max: 500}}]"
	for name, test := range map[string]struct {
		spec     string
		failFrom int
		want     string
	}{
		"steps": {
			"{analysis: {interval: 1m, stepWeight: 20, maxWeight: 50" + metrics + "}}", 0,
			"0s Progressing 0, 1m0s Progressing 20, 2m0s Progressing 40, 3m0s Progressing 50, 4m0s Promoting 50, 4m0s Finalising 0, 4m0s Succeeded 0",
		},
		"promotion in steps": {
			"{analysis: {interval: 10s, stepWeights: [40], stepWeightPromotion: 30}}", 0,
			"0s Progressing 0, 10s Progressing 40, 20s Promoting 40, 30s Promoting 10, 40s Finalising 0, 40s Succeeded 0",
		},
		"all checks fail from the second step": {
			"{analysis: {interval: 10s, threshold: 2, stepWeight: 10" + metrics + "}}", 2,
			"0s Progressing 0, 10s Progressing 10, 20s Progressing 20, 30s Progressing 20 failed 1, 40s Failed 0",
		},
		"the continuous judge reads the primary first": {
			"{analysis: {interval: 1m, stepWeight: 20, maxWeight: 40, gate: {mode: Continuous}" + metrics + "}}", 0,
			"0s Progressing 0, 2m0s Progressing 20, 3m0s Progressing 40, 4m0s Promoting 40, 4m0s Finalising 0, 4m0s Succeeded 0",
		},
		"the continuous judge waits for no check": {
			"{analysis: {interval: 1m, threshold: 5, stepWeight: 20, maxWeight: 40, gate: {mode: Continuous}" + metrics + "}}", 2,
			"0s Progressing 0, 2m0s Progressing 20, 3m0s Progressing 40, 3m0s Failed 0",
		},
		"a load test that fails": {
			"{analysis: {interval: 10s, iterations: 3, webhooks: [{name: load, url: 'http://load'}, {name: back, type: rollback, url: 'http://back'}]}}", 1,
			"0s Progressing 0, 10s Progressing 0 it 1, 20s Failed 0",
		},
		"nothing that could fail": {
			"{analysis: {interval: 10s, stepWeights: [50]}}", 1,
			"0s Progressing 0, 10s Progressing 50, 20s Promoting 50, 20s Finalising 0, 20s Succeeded 0",
		},
		"an A/B test with an approval": {
			"{analysis: {interval: 10s, iterations: 2, match: [{headers: {x: {exact: a}}}], webhooks: [{name: gate, type: confirm-rollout, url: 'http://gate'}]}}", 0,
			"0s Waiting 0, 0s Progressing 0, 10s Progressing 100 it 1, 20s Progressing 100 it 2, 30s Promoting 100 it 2, 30s Finalising 0 it 2, 30s Succeeded 0",
		},
		"blue/green": {
			"{analysis: {interval: 10s, iterations: 1" + metrics + "}}", 0,
			"0s Progressing 0, 10s Progressing 0 it 1, 20s Progressing 100 it 2, 30s Promoting 100 it 2, 30s Finalising 0 it 2, 30s Succeeded 0",
		},
		"without a mesh": {
			"{provider: kubernetes, analysis: {interval: 10s, iterations: 1" + metrics + "}}", 0,
			"0s Progressing 0, 10s Progressing 0 it 1, 20s Promoting 0 it 1, 20s Finalising 0 it 1, 20s Succeeded 0",
		},
		"a DaemonSet": {
			"{targetRef: {kind: DaemonSet, name: podinfo}, analysis: {interval: 10s, stepWeights: [50]" + metrics + "}}", 0,
			"0s Progressing 0, 10s Progressing 50, 20s Promoting 50, 20s Finalising 0, 20s Succeeded 0",
		},
		"only services": {
			"{targetRef: {kind: Service, name: podinfo}, analysis: {interval: 10s, stepWeights: [50]" + metrics + "}}", 0,
			"0s Progressing 0, 10s Progressing 50, 20s Promoting 50, 20s Finalising 0, 20s Succeeded 0",
		},
		"a mirror": {
			"{analysis: {interval: 10s, threshold: 1, stepWeights: [50], mirror: true" + metrics + "}}", 1,
			"0s Progressing 0, 10s Progressing 0, 20s Failed 0",
		},
		"metrics of providers, and two of one name": {
			"{metricsServer: 'http://prometheus', analysis: {interval: 10s, stepWeights: [50], metrics: [{name: request-duration, thresholdRange: {max: 1}}, {name: a, query: x}, {name: a, query: y, thresholdRange: {min: 3}}]}}", 0,
			"0s Progressing 0, 10s Progressing 50, 20s Promoting 50, 20s Finalising 0, 20s Succeeded 0",
		},
		"no analysis": {
			"{skipAnalysis: true}", 0,
			"0s Progressing 0, 0s Promoting 0, 0s Finalising 0, 0s Succeeded 0",
		},
		"a spec that leads nowhere": {
			"{analysis: {interval: 10s}}", 0,
			"stays Initialized: Rollout of podinfo.demo not started: the analysis has no step that shifts traffic",
		},
		"suspended": {"{suspend: true}", 0, "stays : is suspended"},
		"a provider that is not served": {
			"{provider: istio}", 0,
			"stays : provider istio is not served; set provider to appmesh:v1beta2, appmesh or kubernetes",
		},
		"an interval of a day, in tiny steps": {
			"{analysis: {interval: 1440m, stepWeight: 0.5, maxWeight: 1}}", 0,
			"0s Progressing 0, 24h0m0s Progressing 1, 48h0m0s Promoting 1, 48h0m0s Finalising 0, 48h0m0s Succeeded 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &canaryv1beta1.Canary{}
			c.Name, c.Namespace, c.Spec.TargetRef = "podinfo", "demo", canaryv1beta1.LocalObjectReference{Kind: "Deployment", Name: "podinfo"}
			if err := yaml.UnmarshalStrict([]byte(test.spec), &c.Spec); err != nil {
				t.Fatal(err)
			}
			// Whatever happens to it now does not matter to the next version.
			c.Status = canaryv1beta1.CanaryStatus{Phase: progressing, CanaryWeight: 40, FailedChecks: 7}
			p, err := NewPreview(c, Assumptions{FailFrom: test.failFrom})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, told(p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// told puts a preview on one line.
func told(p Preview) string {
	var out []string
	for _, s := range p.Steps {
		text := fmt.Sprintf("%s %s %d", s.After, s.Phase, s.Weight)
		if s.Iterations > 0 {
			text += fmt.Sprintf(" it %d", s.Iterations)
		}
		if s.FailedChecks > 0 {
			text += fmt.Sprintf(" failed %d", s.FailedChecks)
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return fmt.Sprintf("stays %s: %s", p.End.Phase, p.Why)
	}
	return strings.Join(out, ", ")
}

// TestPreviewIsTheFilm holds the preview against the film of the walk-through: same spec, same steps, same times.
func TestPreviewIsTheFilm(t *testing.T) {
	w := newWorld(t, file(t, nil, "canary.yaml"), file(t, nil, "deployment.yaml"))
	p, err := NewPreview(w.canary, Assumptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.do([]string{"push", "podinfo:3.1.1"}); err != nil {
		t.Fatal(err)
	}
	for _, step := range p.Steps {
		if step.Phase != progressing {
			break
		}
		if err := w.do([]string{"at", step.After.String()}); err != nil {
			t.Fatal(err)
		}
		if got := w.canary.Status.CanaryWeight.Int(); got != step.Weight {
			t.Errorf("after %s the film has weight %d, the preview %d", step.After, got, step.Weight)
		}
	}
	if last := p.End; last.Phase != canaryv1beta1.CanaryPhaseSucceeded || last.After != 60*time.Second {
		t.Errorf("the preview ends as %+v", last)
	}
}
