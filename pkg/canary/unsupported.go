package canary

import (
	"fmt"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// What is accepted and not honoured yet is said three ways: what we cannot look after is left alone (unserved), what we
// would get wrong is not started (unsupportedStrategy), and the rest is listed in a condition (unsupported).

// unserved says why this Canary must be left alone; empty when it can be served.
func (p *pass) unserved() string {
	switch {
	case p.kind() == nil:
		return fmt.Sprintf("targetRef.kind %s cannot be released: Deployment, DaemonSet or Service", p.Spec.TargetRef.Kind)
	case p.kind().unserved(p.settings) != "":
		return p.kind().unserved(p.settings)
	case !p.isServed():
		return fmt.Sprintf("provider %s is not served; set provider to %s, %s or %s", p.provider(),
			canaryv1beta1.ProviderAppMeshV1Beta2, canaryv1beta1.ProviderAppMesh, canaryv1beta1.ProviderKubernetes)
	}
	return ""
}

// unsupportedStrategy says why a rollout would not do what the spec asks for; empty when it would.
func (p *pass) unsupportedStrategy() string {
	if p.skipAnalysis() {
		return ""
	}
	if why := p.matchProblem(); why != "" {
		return why
	}
	return p.cookieProblem()
}

// unsupported lists the fields of the spec that are not honoured.
func (p *pass) unsupported() []string {
	var out []string
	a := p.analysis()
	add := func(set bool, field string) {
		if set {
			out = append(out, field)
		}
	}
	add(p.unserved() != "", "the whole spec ("+p.unserved()+")")
	add(p.unsupportedStrategy() != "", p.unsupportedStrategy())
	add(a.Mirror && !p.mirrors(), "analysis.mirror (only weighted releases and blue/green on a mesh copy requests)")
	add(a.SessionAffinity != nil && p.affinity() == nil, "analysis.sessionAffinity (only weighted releases on a mesh set cookies)")
	add(p.Spec.AutoscalerRef != nil && !p.autoscaled(),
		"autoscalerRef (for a Deployment, and a HorizontalPodAutoscaler or ScaledObject)")
	add(a.Gate != nil && a.Gate.Mode == canaryv1beta1.GateModeContinuous && !p.continuous(),
		"analysis.gate.mode Continuous (runs as Interval: no metric with a range that the Envoys answer for)")
	add(a.Gate != nil && a.Gate.FalseRollbackRate != "" && !p.declaresRate(),
		"analysis.gate.falseRollbackRate (runs as 1%: write a percentage between 0% and 50%, such as 0.5%)")
	for _, field := range p.ignored() {
		out = append(out, field.String())
	}
	return out
}
