package validate

import (
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// What the control plane would say of an object is told when it is applied: these rules run the control plane's own
// builder on the object and what it leads to, so the two cannot disagree.
//
//	SL101  it cannot be served as it says       refused if that is certain, and the object's own fault
//	SL102  App Mesh's API refused it            refused
//	SL103  a field does nothing here            told
//	SL104  what it names is not there           told: the rest may be applied in a moment
const (
	ruleServed   = "SL101"
	ruleLimits   = "SL102"
	ruleHonoured = "SL103"
	rulePresent  = "SL104"

	// Two of the rules of releases are of that kind.
	ruleTargetPresent = "SL046"
	ruleWeights       = "SL047"
)

// servedBy gives the four rules of a kind.
func servedBy[T any]() []bound[T] {
	var out []bound[T]
	for _, id := range []string{ruleServed, ruleLimits, ruleHonoured, rulePresent} {
		out = append(out, bound[T]{id, func(c change[T]) []problem { return c.served(id) }})
	}
	return out
}

// served gives what the control plane says under one rule.
func (c change[T]) served(id string) []problem {
	var out []problem
	for _, p := range c.built() {
		if rule, severity := classOf(p); rule == id && !c.world.promised(p) {
			out = append(out, problem{pathOf(p.Err), severity, p.Err.ErrorBody()})
		}
	}
	return out
}

// promised tells whether what is missing is what a Canary makes: it is there as soon as the Canary is looked after.
func (w World) promised(p mesh.Problem) bool {
	name, ok := p.Err.BadValue.(string)
	if service, isARN := serviceByARN(name); isARN {
		name = service
	}
	return ok && p.Transient && w.Cluster != nil && len(w.Cluster.Related(Relation{Kind: kindCanary, by: reaches, to: name})) > 0
}

// classOf sorts a problem under a rule. A remark on what is still to come, such as endpoints, is under none: the status
// has it while it is true.
func classOf(p mesh.Problem) (rule string, severity Severity) {
	switch {
	case p.Transient && !p.Blocking:
		return "", Warn
	case p.Transient && p.Object.Kind == mesh.KindVirtualRouter && missingTarget.MatchString(p.Err.Field):
		return ruleTargetPresent, Warn
	case p.Transient:
		return rulePresent, Warn
	case p.Reason == mesh.ReasonNoWeight:
		return ruleWeights, Warn
	case p.Reason == mesh.ReasonNotHonoured:
		return ruleHonoured, Warn
	case p.Reason == mesh.ReasonBeyondLimits:
		return ruleLimits, Deny
	case p.Blocking && ownFault[p.Reason] && !tolerated(p):
		return ruleServed, Deny
	}
	return ruleServed, Warn
}

// ownFault are the reasons that lie in the object itself, so that nothing else that is applied can cure them.
var ownFault = map[string]bool{
	mesh.ReasonInvalid:      true,
	mesh.ReasonNoListener:   true,
	mesh.ReasonPortConflict: true,
	mesh.ReasonNameConflict: true,
}

// toleration is a mistake that App Mesh's webhooks let through although it could not work: manifests have it, so it is
// stored, told at apply and reported in the status, and what it spoils is left out.
type toleration struct {
	kind, reason string
	// path of the field, without indices and with httpRoute for every kind of route.
	path string
}

var tolerations = []toleration{
	{mesh.KindVirtualRouter, mesh.ReasonInvalid, "spec.routes"},                                                  // no kind of route, or several
	{mesh.KindVirtualRouter, mesh.ReasonInvalid, "spec.routes.httpRoute.match.prefix"},                           // without a slash
	{mesh.KindVirtualRouter, mesh.ReasonInvalid, "spec.routes.httpRoute.match.headers.match"},                    // several filters
	{mesh.KindVirtualRouter, mesh.ReasonInvalid, "spec.routes.httpRoute.match.headers.match.range"},              // an empty range
	{mesh.KindVirtualRouter, mesh.ReasonInvalid, "spec.routes.httpRoute.match.metadata.match"},                   // the same of gRPC
	{mesh.KindVirtualRouter, mesh.ReasonInvalid, "spec.routes.httpRoute.match.metadata.match.range"},             // the same of gRPC
	{mesh.KindVirtualRouter, mesh.ReasonInvalid, "spec.routes.httpRoute.action.weightedTargets.virtualNodeARN"},  // neither reference nor ARN
	{mesh.KindVirtualRouter, mesh.ReasonPortConflict, "spec.routes.httpRoute"},                                   // a second TCP route on a port
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.backends.virtualService.virtualServiceARN"},                 // neither reference nor ARN
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.listeners.healthCheck.path"},                                // none, by http
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.listeners.healthCheck.protocol"},                            // grpc, where the listener has no HTTP/2
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.listeners.outlierDetection.interval.value"},                 // zero
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.listeners.outlierDetection.baseEjectionDuration.value"},     // zero
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.listeners.tls.certificate"},                                 // none, or two
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.listeners.tls.validation.trust"},                            // in nobody, or in two sources
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.backendDefaults.clientPolicy.tls.certificate"},              // none, or two
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.backendDefaults.clientPolicy.tls.validation.trust"},         // in nobody, or in two sources
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.backends.virtualService.clientPolicy.tls.certificate"},      // none, or two
	{mesh.KindVirtualNode, mesh.ReasonInvalid, "spec.backends.virtualService.clientPolicy.tls.validation.trust"}, // in nobody, or in two sources
	{mesh.KindVirtualGateway, mesh.ReasonInvalid, "spec.listeners.tls.certificate"},                              // none, or two
	{mesh.KindVirtualGateway, mesh.ReasonInvalid, "spec.listeners.tls.validation.trust"},                         // in nobody, or in two sources
	{mesh.KindVirtualGateway, mesh.ReasonInvalid, "spec.backendDefaults.clientPolicy.tls.certificate"},           // none, or two
	{mesh.KindVirtualGateway, mesh.ReasonInvalid, "spec.backendDefaults.clientPolicy.tls.validation.trust"},      // in nobody, or in two sources
	{mesh.KindGatewayRoute, mesh.ReasonInvalid, "spec.httpRoute.action.target.virtualService.virtualServiceARN"}, // neither reference nor ARN
	{mesh.KindGatewayRoute, mesh.ReasonInvalid, "spec.httpRoute.match.prefix"},                                   // without a slash, if it is not rewritten
	{mesh.KindVirtualService, mesh.ReasonInvalid, "spec.provider.virtualNode.virtualNodeARN"},                    // neither reference nor ARN
	{mesh.KindVirtualService, mesh.ReasonInvalid, "spec.provider.virtualRouter.virtualRouterARN"},                // neither reference nor ARN
}

// missingTarget is where a route names a virtual node.
var missingTarget = regexp.MustCompile(`weightedTargets\[\d+\]\.virtualNode(Ref|ARN)$`)

var routeKind = regexp.MustCompile(`\.(grpcRoute|http2Route|tcpRoute)\b`)

func tolerated(p mesh.Problem) bool {
	path := routeKind.ReplaceAllString(indices.ReplaceAllString(p.Err.Field, ""), ".httpRoute")
	for _, t := range tolerations {
		if t.kind == p.Object.Kind && t.reason == p.Reason && t.path == path {
			return true
		}
	}
	return false
}

// Doubtful tells whether findings should be looked at again with what the API server says now: a refusal, and that
// something is missing, may be due to a cache that lags.
func Doubtful(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Deny || Missing(f.Rule) })
}

// Missing tells whether a rule is about what is not there, or not yet. Where not all is known such a rule is silent.
func Missing(rule string) bool { return missing[rule] }

var missing = map[string]bool{
	"SL002": true, "SL023": true, "SL038": true, "SL041": true, "SL045": true, "SL050": true, "SL065": true, "SL068": true,
	ruleTargetPresent: true, rulePresent: true,
}

// uncovered leaves out what one of App Mesh's rules has said already of the same field, or of all around it.
func uncovered(findings []Finding) []Finding {
	var out []Finding
	for _, f := range findings {
		if !covered(f, findings) {
			out = append(out, f)
		}
	}
	return out
}

// ofControlPlane tells whether a rule repeats what the control plane says.
func ofControlPlane(rule string) bool {
	switch rule {
	case ruleServed, ruleLimits, ruleHonoured, rulePresent:
		return true
	}
	return false
}

func covered(f Finding, by []Finding) bool {
	if !ofControlPlane(f.Rule) {
		return false
	}
	for _, other := range by {
		if strings.HasPrefix(other.Rule, appMeshPrefix) && (f.Path == other.Path || strings.HasPrefix(f.Path, other.Path+".") || strings.HasPrefix(f.Path, other.Path+"[")) {
			return true
		}
	}
	return false
}

// build asks the control plane about an object, if there is a world to look at.
func build(object any, world World) []mesh.Problem {
	o, ok := object.(metav1.Object)
	if kind := meshKind(object); ok && kind != "" && world.Objects != nil {
		return mesh.Check(kind, o, world.Objects)
	}
	return nil
}

// meshKind gives the kind of an object of App Mesh's group, else "".
func meshKind(object any) string {
	switch object.(type) {
	case *appmeshv1beta2.Mesh:
		return mesh.KindMesh
	case *appmeshv1beta2.VirtualNode:
		return mesh.KindVirtualNode
	case *appmeshv1beta2.VirtualService:
		return mesh.KindVirtualService
	case *appmeshv1beta2.VirtualRouter:
		return mesh.KindVirtualRouter
	case *appmeshv1beta2.VirtualGateway:
		return mesh.KindVirtualGateway
	case *appmeshv1beta2.GatewayRoute:
		return mesh.KindGatewayRoute
	}
	return ""
}

func pathOf(err *field.Error) *field.Path { return field.NewPath(err.Field) }
