package canary

import (
	"fmt"
	"reflect"
	"strings"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// IgnoredField is a field of the spec that is accepted and that nothing follows from.
type IgnoredField struct {
	// Field is its path in the spec.
	Field string
	// Instead says what decides in its place; empty when nothing does.
	Instead string
}

func (f IgnoredField) String() string {
	if f.Instead == "" {
		return f.Field
	}
	return fmt.Sprintf("%s (%s)", f.Field, f.Instead)
}

// Ignored lists the fields of a Canary that nothing follows from: those that other meshes and gateways of Flagger's have a use
// for, and we have not.
func Ignored(c *canaryv1beta1.Canary) []IgnoredField { return settings{c}.ignored() }

func (s settings) ignored() []IgnoredField {
	var out []IgnoredField
	add := func(given bool, field string, instead ...string) {
		if given {
			out = append(out, IgnoredField{field, strings.Join(instead, "")})
		}
	}
	spec, svc := s.Spec, s.Spec.Service
	add(spec.IngressRef != nil, "ingressRef")
	add(spec.RouteRef != nil, "routeRef")
	add(spec.UpstreamRef != nil, "upstreamRef")
	add(svc.BackendTimeout != "", "service.backendTimeout")
	add(svc.MeshName != "", "service.meshName", "the namespaceSelector of a Mesh decides")
	add(svc.Delegation, "service.delegation")
	add(svc.Rewrite != nil && !s.rewritesNothing(), "service.rewrite")
	add(len(svc.Mirror) > 0, "service.mirror", "analysis.mirror copies requests to the canary")
	add(svc.Headers != nil, "service.headers")
	add(len(svc.Gateways) > 0, "service.gateways", "service.hosts exposes the service on a VirtualGateway")
	add(len(svc.GatewayRefs) > 0, "service.gatewayRefs", "service.hosts exposes the service on a VirtualGateway")
	add(svc.CorsPolicy != nil, "service.corsPolicy")
	add(svc.TrafficPolicy != nil, "service.trafficPolicy")
	out = append(out, s.ignoredMatches()...)
	if !s.routed() {
		out = append(out, s.ignoredWithoutMesh()...)
	}
	return out
}

// rewritesNothing tells whether the rewrite is the one of Flagger's examples, which gives every path back as it is.
func (s settings) rewritesNothing() bool {
	r := s.Spec.Service.Rewrite
	return r.Authority == "" && (r.URI == "" || r.URI == "/" && s.routePrefix() == "/")
}

// ignoredMatches are the parts of service.match that do not become the prefix of the route.
func (s settings) ignoredMatches() []IgnoredField {
	var out []IgnoredField
	for i, m := range s.Spec.Service.Match {
		m.Name = "" // says nothing about requests
		if i == 0 && m.URI != nil {
			m.URI = &canaryv1beta1.StringMatch{Exact: m.URI.Exact, Suffix: m.URI.Suffix, Regex: m.URI.Regex}
			if reflect.ValueOf(*m.URI).IsZero() {
				m.URI = nil
			}
		}
		if !reflect.ValueOf(m).IsZero() {
			out = append(out, IgnoredField{fmt.Sprintf("service.match[%d]", i), "only the prefix of the first is the route's"})
		}
	}
	return out
}

// ignoredWithoutMesh are the fields that a mesh would honour.
func (s settings) ignoredWithoutMesh() []IgnoredField {
	var out []IgnoredField
	svc, a := s.Spec.Service, s.analysis()
	for _, f := range []struct {
		given bool
		field string
	}{
		{len(a.Match) > 0, "analysis.match"},
		{a.StepWeight.IntOr(0) > 0, "analysis.stepWeight"},
		{len(a.StepWeights) > 0, "analysis.stepWeights"},
		{a.StepWeightPromotion.IntOr(0) > 0, "analysis.stepWeightPromotion"},
		{svc.Timeout != "", "service.timeout"},
		{svc.Retries != nil, "service.retries"},
		{len(svc.Hosts) > 0, "service.hosts"},
		{len(svc.Backends) > 0, "service.backends"},
	} {
		if f.given {
			out = append(out, IgnoredField{f.field, "the provider kubernetes has no routes"})
		}
	}
	return out
}
