package mesh

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// gatewayRoutes gives every GatewayRoute to its gateway.
func (b *builder) gatewayRoutes(gateways []*gateway) {
	for _, v := range b.routeList {
		ref := refOf(KindGatewayRoute, v)
		b.limitGatewayRoute(ref, v)
		g := b.gatewayOf(ref, v, gateways)
		if g == nil {
			continue
		}
		b.limitGatewayPort(ref, v, g)
		if r, ok := b.rule(ref, v.Spec, g); ok {
			g.rules = append(g.rules, r)
		}
	}
}

// gatewayOf gives the gateway of a route: the one that admission wrote into virtualGatewayRef, else the only one whose
// selectors take the route.
func (b *builder) gatewayOf(ref ObjectRef, v *appmeshv1beta2.GatewayRoute, gateways []*gateway) *gateway {
	path := specPath.Child("virtualGatewayRef")
	if r := v.Spec.VirtualGatewayRef; r != nil && r.Name != "" {
		want := refTo(KindVirtualGateway, r.Namespace, r.Name, ref)
		for _, g := range gateways {
			if g.ref == want {
				return g
			}
		}
		b.awaits(ref, ReasonGatewayNotFound, missing(path, want, "create it, or create this route anew"))
		return nil
	}
	var found []*gateway
	for _, g := range gateways {
		if selects(g.spec.NamespaceSelector, b.namespaces[ref.Namespace]) && g.takesLabels(v.Labels) {
			found = append(found, g)
		}
	}
	if len(found) != 1 {
		b.awaits(ref, ReasonGatewayNotFound, field.Required(path, fmt.Sprintf(
			"the selectors of %d VirtualGateways take the route, and it must be 1; adapt their namespaceSelector and gatewayRouteSelector", len(found))))
		return nil
	}
	return found[0]
}

// takesLabels applies the gatewayRouteSelector, which, unlike the other selectors, takes everything if it is absent.
func (g *gateway) takesLabels(set labels.Set) bool {
	return g.spec.GatewayRouteSelector == nil || selects(g.spec.GatewayRouteSelector, set)
}

// routeParts is what the kinds of gateway route have in common.
type routeParts struct {
	path     *field.Path
	match    Match
	errs     field.ErrorList
	port     *int64
	hostname *appmeshv1beta2.GatewayRouteHostnameMatch
	target   appmeshv1beta2.GatewayRouteTarget
	rewrite  *appmeshv1beta2.HTTPGatewayRouteRewrite
	grpc     bool
}

func partsOf(spec appmeshv1beta2.GatewayRouteSpec) (routeParts, *field.Error) {
	kinds := 0
	for _, given := range []bool{spec.GRPCRoute != nil, spec.HTTPRoute != nil, spec.HTTP2Route != nil} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return routeParts{}, field.Invalid(specPath, field.OmitValueType{}, "give exactly one of grpcRoute, httpRoute and http2Route")
	}
	if g := spec.GRPCRoute; g != nil {
		p := routeParts{path: specPath.Child("grpcRoute"), port: g.Match.Port, hostname: g.Match.Hostname, target: g.Action.Target, grpc: true}
		p.match, p.errs = grpcGatewayMatch(p.path.Child("match"), g.Match)
		if g.Action.Rewrite != nil {
			p.rewrite = &appmeshv1beta2.HTTPGatewayRouteRewrite{Hostname: g.Action.Rewrite.Hostname}
		}
		return p, nil
	}
	path, h := specPath.Child("httpRoute"), spec.HTTPRoute
	if h == nil {
		path, h = specPath.Child("http2Route"), spec.HTTP2Route
	}
	p := routeParts{path: path, port: h.Match.Port, hostname: h.Match.Hostname, target: h.Action.Target, rewrite: h.Action.Rewrite}
	p.match, p.errs = gatewayMatch(path.Child("match"), h.Match)
	return p, nil
}

// rule converts a GatewayRoute, or tells why it is not served.
func (b *builder) rule(ref ObjectRef, spec appmeshv1beta2.GatewayRouteSpec, g *gateway) (rule, bool) {
	p, err := partsOf(spec)
	if err != nil {
		p.errs = field.ErrorList{err}
	}
	out := rule{source: ref, priority: lowestPriority, port: value(p.port), match: p.match, target: value(p.target.Port), path: p.path}
	if spec.Priority != nil {
		out.priority = *spec.Priority
	}
	if err == nil {
		var more field.ErrorList
		out.rewrite, more = rewriteOf(p)
		p.errs = append(p.errs, more...)
		domain, bad := domainOf(p.path.Child("match", "hostname"), p.hostname)
		if bad != nil {
			p.errs = append(p.errs, bad)
		}
		out.domains = []string{domain}
	}
	for _, e := range p.errs {
		b.blocked(ref, ReasonInvalid, e)
	}
	if len(p.errs) > 0 {
		return rule{}, false
	}
	out.service = b.targetService(ref, p, g)
	return out, out.service != nil && b.checkRule(out, g)
}

// targetService gives the virtual service of a route, or tells why there is none.
func (b *builder) targetService(ref ObjectRef, p routeParts, g *gateway) *Service {
	want, path, ok := b.resolve(reference{
		by: ref, path: p.path.Child("action", "target", "virtualService"), kind: KindVirtualService,
		ref: (*kubernetesReference)(p.target.VirtualService.VirtualServiceRef), arn: p.target.VirtualService.VirtualServiceARN,
	})
	if !ok {
		return nil
	}
	svc := b.model.Service(want)
	switch {
	case svc == nil:
		b.awaits(ref, ReasonServiceNotFound, missing(path, want, "create it, see its conditions, or name another"))
		return nil
	case svc.Mesh != meshName(g.mesh):
		b.blocked(ref, ReasonOtherMesh, field.Invalid(path, want.Name, fmt.Sprintf(
			"%s belongs to mesh %q, and the gateway %s to %q", want, svc.Mesh, g.ref, meshName(g.mesh))))
		return nil
	}
	return svc
}

// checkRule tells if no request can take the rule.
func (b *builder) checkRule(r rule, g *gateway) bool {
	if r.servicePort(0) == nil {
		b.awaits(r.source, ReasonNoListener, field.Invalid(r.path.Child("action", "target"), r.service.ID.Name, fmt.Sprintf(
			"%s has no such HTTP port; see its conditions, or change the port of the target", r.service.ID)))
		return false
	}
	for _, l := range g.listeners {
		if r.port == 0 || r.port == int64(l.Port) {
			return true
		}
	}
	b.awaits(r.source, ReasonNoListener, field.Invalid(r.path.Child("match", "port"), r.port, fmt.Sprintf(
		"%s has no listener that takes this route", g.ref)))
	return false
}

// servicePort is the port of the service that a rule leads to: the one it names, else the one numbered like the
// listener, else the lowest. TCP ports do not count.
func (r rule) servicePort(listener uint32) *ServicePort {
	switch {
	case r.target == 0:
		return r.service.httpPort(listener)
	case r.target < 0 || r.target > 65535:
		return nil
	}
	p := r.service.Port(uint32(r.target))
	if p == nil || !p.Protocol.IsHTTP() {
		return nil
	}
	return p
}

// httpPort is the HTTP port of a number, else the lowest; nil without any.
func (s *Service) httpPort(number uint32) *ServicePort {
	var first *ServicePort
	for i := range s.Ports {
		p := &s.Ports[i]
		if !p.Protocol.IsHTTP() {
			continue
		}
		if p.Port == number {
			return p
		}
		if first == nil {
			first = p
		}
	}
	return first
}

// domainOf converts a host name match. Absent, every host matches.
func domainOf(path *field.Path, m *appmeshv1beta2.GatewayRouteHostnameMatch) (string, *field.Error) {
	switch {
	case m == nil:
		return "*", nil
	case (m.Exact == nil) == (m.Suffix == nil):
		return "", field.Invalid(path, field.OmitValueType{}, "give one of exact and suffix")
	case m.Exact != nil:
		if !isHostname(*m.Exact) {
			return "", field.Invalid(path.Child("exact"), *m.Exact, "this is not a host name")
		}
		return canonical(*m.Exact), nil
	default:
		domain := "*" + canonical(strings.TrimPrefix(*m.Suffix, "*"))
		if !isDomain(domain) || domain == "*" {
			return "", field.Invalid(path.Child("suffix"), *m.Suffix, "no host name ends like this")
		}
		return domain, nil
	}
}

// rewriteOf converts a rewrite. By default the matched prefix becomes a slash and the host the service's name.
func rewriteOf(p routeParts) (rewrite, field.ErrorList) {
	r := p.rewrite
	if r == nil {
		r = &appmeshv1beta2.HTTPGatewayRouteRewrite{}
	}
	out := rewrite{keep: true, host: true}
	if r.Hostname != nil {
		out.host = value(r.Hostname.DefaultTargetHostname) != appmeshv1beta2.RewriteDisabled
	}
	if p.grpc {
		return out, nil
	}
	path := p.path.Child("action", "rewrite")
	var errs field.ErrorList
	var err *field.Error
	byPrefix := p.match.Prefix != ""
	switch {
	case byPrefix && r.Path != nil:
		err = field.Invalid(path.Child("path"), field.OmitValueType{}, "this goes with a match by path; use prefix")
	case !byPrefix && r.Prefix != nil:
		err = field.Invalid(path.Child("prefix"), field.OmitValueType{}, "this goes with a match by prefix; use path")
	case byPrefix:
		err = out.prefix(path.Child("prefix"), r.Prefix)
	case r.Path != nil && r.Path.Exact != nil:
		out.keep, out.path = false, *r.Path.Exact
		err = checkRewrite(path.Child("path", "exact"), out.path)
	}
	if err != nil {
		errs = append(errs, err)
	}
	return out, errs
}

func (w *rewrite) prefix(path *field.Path, p *appmeshv1beta2.GatewayRoutePrefixRewrite) *field.Error {
	switch {
	case p != nil && p.Value != nil:
		w.keep, w.path = false, *p.Value
		return checkRewrite(path.Child("value"), w.path)
	case p != nil && value(p.DefaultPrefix) == appmeshv1beta2.RewriteDisabled:
		return nil
	default:
		w.keep, w.path = false, "/"
		return nil
	}
}

func checkRewrite(path *field.Path, to string) *field.Error {
	if !strings.HasPrefix(to, "/") || !isHeaderValue(to) {
		return field.Invalid(path, to, "a path starts with a slash and has no control characters")
	}
	return nil
}
