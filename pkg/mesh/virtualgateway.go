package mesh

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// gateway is a virtual gateway that belongs to a mesh, with the rules of the routes that it took.
type gateway struct {
	ref       ObjectRef
	spec      *appmeshv1beta2.VirtualGatewaySpec
	mesh      *appmeshv1beta2.Mesh
	listeners []GatewayListener
	rules     []rule
}

// rule is a GatewayRoute, or what stands for one: an exposed virtual service. Requests for one of the domains that
// match go to the service, after the rewrite.
type rule struct {
	source   ObjectRef
	priority int64
	domains  []string
	// port of the gateway's listener; 0 is any.
	port    int64
	match   Match
	rewrite rewrite
	service *Service
	// target is the port of the service; 0 leaves it to choose.
	target int64
	// timeout and retry replace those of the service's routes, if they are given.
	timeout *Duration
	retry   func() *Retry
	path    *field.Path
}

// rewrite is what a gateway does to a request before the service's routes see it.
type rewrite struct {
	// keep leaves the path alone. Otherwise path replaces what matched.
	keep bool
	path string
	host bool
}

// gateways adds the configuration of every virtual gateway's proxies.
func (b *builder) gateways(nodes members) {
	var all []*gateway
	for _, v := range b.gatewayList {
		ref := refOf(KindVirtualGateway, v)
		m := b.memberOf(ref, v.Spec.MeshRef)
		if m == nil {
			continue
		}
		b.checkSelector(ref, specPath.Child("namespaceSelector"), v.Spec.NamespaceSelector)
		b.checkSelector(ref, specPath.Child("gatewayRouteSelector"), v.Spec.GatewayRouteSelector)
		all = append(all, &gateway{ref: ref, spec: &v.Spec, mesh: m, listeners: b.gatewayListeners(ref, v)})
		b.notHonouredGateway(ref, v)
		b.limitGateway(ref, v)
	}
	b.gatewayRoutes(all)
	b.expose(all, nodes)
	for _, g := range all {
		for i := range g.listeners {
			g.listeners[i].Hosts = b.gatewayHosts(g, g.listeners[i])
		}
		b.model.Gateways = append(b.model.Gateways, Gateway{
			ID:   ProxyID{Kind: ProxyVirtualGateway, Namespace: g.ref.Namespace, Name: g.ref.Name},
			Mesh: meshName(g.mesh), Name: memberName(g.spec.AWSName, g.ref), Addresses: familyOf(g.mesh),
			AccessLog: b.accessLog(g.ref, g.spec.Logging), Listeners: g.listeners,
			ClientTLS: b.clientTLS(b.gatewayPolicies(g)),
		})
	}
}

func (b *builder) gatewayListeners(ref ObjectRef, v *appmeshv1beta2.VirtualGateway) []GatewayListener {
	var out []GatewayListener
	for i, l := range v.Spec.Listeners {
		base := specPath.Child("listeners").Index(i)
		path := base.Child("portMapping")
		port, protocol, err := portOf(path, appmeshv1beta2.PortMapping(l.PortMapping))
		if err == nil && protocol == TCP {
			err = field.NotSupported(path.Child("protocol"), protocol, []Protocol{GRPC, HTTP, HTTP2})
		}
		if err == nil && slices.ContainsFunc(out, func(o GatewayListener) bool { return o.Port == port }) {
			err = field.Duplicate(path.Child("port"), port)
		}
		if err != nil {
			b.blocked(ref, ReasonInvalid, err)
			continue
		}
		tls, closed := b.listenerTLS(ref, base.Child("tls"), l.TLS)
		if closed {
			continue
		}
		out = append(out, GatewayListener{
			Port: port, Protocol: protocol, TLS: tls,
			Limits: b.limits(ref, base.Child("connectionPool"), protocol, gatewayPool(l.ConnectionPool)),
		})
	}
	slices.SortFunc(out, func(a, b GatewayListener) int { return cmp.Compare(a.Port, b.Port) })
	return out
}

// gatewayHosts arranges the rules of a listener by domain. A rule for every host, or for a suffix, is in the table of
// each narrower domain too: Envoy looks into one table only, and would not find it in the wider one.
func (b *builder) gatewayHosts(g *gateway, l GatewayListener) []GatewayHost {
	domains := map[string]bool{}
	for _, r := range g.rules {
		for _, d := range r.domains {
			domains[d] = domains[d] || r.port == 0 || r.port == int64(l.Port)
		}
	}
	// Domains with the same rules share a table.
	tables := map[string]*GatewayHost{}
	for _, domain := range slices.Sorted(maps.Keys(domains)) {
		if !domains[domain] {
			continue
		}
		rules := g.rulesFor(domain, l)
		key := ""
		for _, r := range rules {
			key += r.source.String() + "\n"
		}
		if tables[key] == nil {
			var routes []Route
			for _, r := range rules {
				routes = append(routes, b.compose(r.rule, l)...)
			}
			tables[key] = &GatewayHost{Routes: reachable(routes)}
		}
		tables[key].Domains = append(tables[key].Domains, domain)
	}
	var hosts []GatewayHost
	for _, t := range tables {
		hosts = append(hosts, *t)
	}
	slices.SortFunc(hosts, func(a, b GatewayHost) int { return cmp.Compare(a.Domains[0], b.Domains[0]) })
	return hosts
}

// rulesFor gives the rules that a request for the domain may take, the one to try first first.
func (g *gateway) rulesFor(domain string, l GatewayListener) []rankedRule {
	var out []rankedRule
	for _, r := range g.rules {
		if r.port != 0 && r.port != int64(l.Port) {
			continue
		}
		if by := covering(r.domains, domain); by != "" {
			out = append(out, rankedRule{rule: r, domain: by})
		}
	}
	slices.SortStableFunc(out, rankedRule.compare)
	return out
}

// rankedRule is a rule with the narrowest of its domains that covers a host.
type rankedRule struct {
	rule
	domain string
}

// compare puts the rule to try first first: priority, the narrower path, the narrower host, the name.
func (a rankedRule) compare(b rankedRule) int {
	return cmp.Or(
		cmp.Compare(a.priority, b.priority),
		compareMatch(a.match, b.match),
		cmp.Compare(wideness(a.domain), wideness(b.domain)),
		a.source.Compare(b.source),
	)
}

// covering gives the narrowest of the domains that takes every host of domain, or "".
func covering(domains []string, domain string) string {
	best := ""
	for _, d := range domains {
		suffix, wild := strings.CutPrefix(d, "*")
		covers := d == domain || wild && strings.HasSuffix(strings.TrimPrefix(domain, "*"), suffix)
		if covers && (best == "" || wideness(d) < wideness(best)) {
			best = d
		}
	}
	return best
}

// wideness is 0 for a whole name; of patterns the shorter suffix is the wider.
func wideness(domain string) int {
	if suffix, wild := strings.CutPrefix(domain, "*"); wild {
		return 1 + maxHostname - min(len(suffix), maxHostname)
	}
	return 0
}
