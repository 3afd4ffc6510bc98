package mesh

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// router is a virtual router that belongs to a mesh.
type router struct {
	mesh  *appmeshv1beta2.Mesh
	ports []ServicePort
}

// virtualRouters resolves the routes of every virtual router.
func (b *builder) virtualRouters(nodes members) map[ObjectRef]*router {
	found := map[ObjectRef]*router{}
	for _, v := range b.routerList {
		ref := refOf(KindVirtualRouter, v)
		m := b.memberOf(ref, v.Spec.MeshRef)
		if m == nil {
			continue
		}
		b.enterName(awsName{kind: KindVirtualRouter, mesh: meshName(m), name: memberName(v.Spec.AWSName, ref)}, seniorityOf(ref, &v.ObjectMeta))
		r := &routerBuilder{builder: b, ref: ref, mesh: m, nodes: nodes}
		found[ref] = &router{mesh: m, ports: r.ports(v.Spec)}
		if v.Generation > 0 {
			b.model.Generations[ref] = Generation{UID: string(v.UID), Number: v.Generation}
		}
		b.limitRouter(ref, v)
	}
	return found
}

// routerBuilder holds what the parts of one virtual router's translation share.
type routerBuilder struct {
	*builder
	ref   ObjectRef
	mesh  *appmeshv1beta2.Mesh
	nodes members
}

func (r *routerBuilder) ports(spec appmeshv1beta2.VirtualRouterSpec) []ServicePort {
	var ports []ServicePort
	base := specPath.Child("listeners")
	for i, l := range spec.Listeners {
		port, protocol, err := portOf(base.Index(i).Child("portMapping"), l.PortMapping)
		if err != nil {
			r.blocked(r.ref, ReasonInvalid, err)
			continue
		}
		if slices.ContainsFunc(ports, func(p ServicePort) bool { return p.Port == port }) {
			r.blocked(r.ref, ReasonPortConflict, field.Duplicate(base.Index(i).Child("portMapping", "port"), port))
			continue
		}
		ports = append(ports, ServicePort{Port: port, Protocol: protocol})
	}
	if len(ports) == 0 {
		r.blocked(r.ref, ReasonNoListener, field.Required(base, "without a port no caller can reach the routes"))
	}
	slices.SortFunc(ports, func(a, b ServicePort) int { return cmp.Compare(a.Port, b.Port) })
	drafts := r.drafts(spec)
	for i := range ports {
		ports[i].Routes = r.routesOn(ports[i], drafts)
	}
	for _, d := range drafts {
		if !d.used && len(ports) > 0 {
			r.blocked(r.ref, ReasonNoListener, field.Invalid(d.path, d.name,
				"no listener of the router takes this route; its protocol, or the port in its match, must be that of a listener"))
		}
		if d.hiddenBy != "" && !d.reached {
			r.remark(r.ref, ReasonUnreachable, field.Invalid(d.path.Child("match"), d.name, fmt.Sprintf(
				"no request comes to this route: %q takes them all before it; narrow that, or give this one the lower priority number", d.hiddenBy)))
		}
	}
	return ports
}

// draft is a route before it is known for which listener.
type draft struct {
	name     string
	path     *field.Path
	priority int64
	tcp      bool
	port     *int64
	match    Match
	targets  []appmeshv1beta2.WeightedTarget
	mirror   *appmeshv1beta2.HTTPRouteMirror
	cookies  []appmeshv1beta2.HTTPRouteSetCookie
	timeout  Duration
	idle     Duration
	retry    *Retry
	// used is set if a listener takes the route, reached if requests come to it there; else hiddenBy takes them.
	used, reached bool
	hiddenBy      string
}

func (r *routerBuilder) drafts(spec appmeshv1beta2.VirtualRouterSpec) []*draft {
	var drafts []*draft
	names := map[string]bool{}
	for i, route := range spec.Routes {
		path := specPath.Child("routes").Index(i)
		if names[route.Name] {
			r.blocked(r.ref, ReasonNameConflict, field.Duplicate(path.Child("name"), route.Name))
			continue
		}
		names[route.Name] = true
		d, errs := r.draft(path, route)
		if len(errs) > 0 {
			// A route of which we do not understand the match would take requests that are not its.
			for _, err := range errs {
				r.blocked(r.ref, ReasonInvalid, err)
			}
			continue
		}
		drafts = append(drafts, d)
	}
	slices.SortStableFunc(drafts, func(a, b *draft) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), compareMatch(a.match, b.match), cmp.Compare(a.name, b.name))
	})
	return drafts
}

// lowestPriority is that of a route that gives none.
const lowestPriority = 1000

func (r *routerBuilder) draft(path *field.Path, route appmeshv1beta2.Route) (*draft, field.ErrorList) {
	d := &draft{name: route.Name, path: path, priority: lowestPriority}
	if route.Priority != nil {
		d.priority = *route.Priority
	}
	kinds := 0
	for _, given := range []bool{route.GRPCRoute != nil, route.HTTPRoute != nil, route.HTTP2Route != nil, route.TCPRoute != nil} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return nil, field.ErrorList{field.Invalid(path, route.Name, "give exactly one of grpcRoute, httpRoute, http2Route and tcpRoute")}
	}
	var errs field.ErrorList
	switch {
	case route.HTTPRoute != nil:
		errs = r.httpDraft(d, path.Child("httpRoute"), route.HTTPRoute)
	case route.HTTP2Route != nil:
		errs = r.httpDraft(d, path.Child("http2Route"), route.HTTP2Route)
	case route.GRPCRoute != nil:
		errs = r.grpcDraft(d, path.Child("grpcRoute"), route.GRPCRoute)
	case route.TCPRoute != nil:
		t := route.TCPRoute
		d.path, d.tcp, d.targets = path.Child("tcpRoute"), true, t.Action.WeightedTargets
		if t.Match != nil {
			d.port = t.Match.Port
		}
		d.timeout, d.idle = r.timeout(r.ref, d.path.Child("timeout"), tcpTimeouts(t.Timeout))
	}
	return d, errs
}

func (r *routerBuilder) httpDraft(d *draft, path *field.Path, h *appmeshv1beta2.HTTPRoute) (errs field.ErrorList) {
	d.path, d.port, d.targets = path, h.Match.Port, h.Action.WeightedTargets
	d.mirror, d.cookies = h.Action.Mirror, h.Action.SetCookies
	d.match, errs = httpMatch(path.Child("match"), h.Match)
	d.timeout, d.idle = r.timeout(r.ref, path.Child("timeout"), httpTimeouts(h.Timeout))
	d.retry = r.retry(r.ref, path.Child("retryPolicy"), httpRetry(h.RetryPolicy))
	return errs
}

func (r *routerBuilder) grpcDraft(d *draft, path *field.Path, g *appmeshv1beta2.GRPCRoute) (errs field.ErrorList) {
	d.path, d.port, d.targets = path, g.Match.Port, g.Action.WeightedTargets
	d.match, errs = grpcMatch(path.Child("match"), g.Match)
	d.timeout, d.idle = r.timeout(r.ref, path.Child("timeout"), grpcTimeouts(g.Timeout))
	d.retry = r.retry(r.ref, path.Child("retryPolicy"), grpcRetry(g.RetryPolicy))
	return errs
}

// routesOn gives the routes of one listener: those of its family (Flagger writes httpRoute for gRPC too) that name no
// port, or this one. A TCP listener has one route; there is nothing to choose by.
func (r *routerBuilder) routesOn(p ServicePort, drafts []*draft) []Route {
	var routes []Route
	for _, d := range drafts {
		if d.tcp == p.Protocol.IsHTTP() || value(d.port) != 0 && value(d.port) != int64(p.Port) {
			continue
		}
		d.used = true
		if d.tcp && len(routes) > 0 {
			r.blocked(r.ref, ReasonPortConflict, field.Invalid(d.path, d.name,
				fmt.Sprintf("port %d takes TCP, where requests cannot be told apart: all go to route %q", p.Port, routes[0].Name)))
			continue
		}
		if i := slices.IndexFunc(routes, func(earlier Route) bool { return hides(earlier.Match, d.match) }); i >= 0 {
			d.hiddenBy = routes[i].Name
		} else {
			d.reached = true
		}
		routes = append(routes, Route{
			Name: d.name, Match: d.match, Targets: r.targets(p, d), Mirror: r.mirror(p, d), Timeout: d.timeout, Idle: d.idle, Retry: d.retry,
			Sources: []ObjectRef{r.ref},
		})
	}
	return routes
}

// compareMatch orders routes of one priority. Envoy takes the first that matches, so what is narrower comes first:
// whole paths, then regular expressions, then prefixes, each from the longest, and of equal ones the one with more conditions.
func compareMatch(a, b Match) int {
	return cmp.Or(
		cmp.Compare(pathRank(a), pathRank(b)),
		cmp.Compare(len(b.Path)+len(b.Regex)+len(b.Prefix), len(a.Path)+len(a.Regex)+len(a.Prefix)),
		cmp.Compare(b.conditions(), a.conditions()),
	)
}

func pathRank(m Match) int {
	switch {
	case m.Path != "":
		return 0
	case m.Regex != "":
		return 1
	default:
		return 2
	}
}

func (m Match) conditions() int {
	n := len(m.Headers) + len(m.Query)
	for _, given := range []bool{m.Method != "", m.Scheme != "", m.GRPC} {
		if given {
			n++
		}
	}
	return n
}
