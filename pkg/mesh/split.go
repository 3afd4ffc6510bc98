package mesh

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// flagger-appmesh-gateway could split the traffic of an exposed virtual service by itself, beside App Mesh's routers: the
// share that canary-weight says, in percent, goes to the canary, and the rest to the primary. It called the two as its
// clusters were called: a virtual service's name, a dash and a port. Older Flagger set them; people did by hand.
const (
	annotationPrimary      = "gateway.appmesh.k8s.aws/primary"
	annotationCanary       = "gateway.appmesh.k8s.aws/canary"
	annotationCanaryWeight = "gateway.appmesh.k8s.aws/canary-weight"
)

// arm is one side of a split: a virtual service, or a virtual node, and its port if the name ends in one.
type arm struct {
	name, namespace string
	port            uint32
}

// refs are the objects that an arm can mean, the likelier first.
func (a arm) refs() []ObjectRef {
	return []ObjectRef{
		{Kind: KindVirtualService, Namespace: a.namespace, Name: a.name},
		{Kind: KindVirtualNode, Namespace: a.namespace, Name: a.name},
	}
}

// armsOf reads the name of an arm: name, name.namespace, and the same with -port. What looks like a port may be part of the
// name, so there are two readings.
func armsOf(text, namespace string) []arm {
	read := func(text string, port uint32) arm {
		name, in, qualified := strings.Cut(text, ".")
		if !qualified {
			in = namespace
		}
		return arm{name: name, namespace: in, port: port}
	}
	out := []arm{read(text, 0)}
	if i := strings.LastIndexByte(text, '-'); i > 0 {
		if port, err := strconv.ParseUint(text[i+1:], 10, 16); err == nil {
			out = append(out, read(text[:i], uint32(port)))
		}
	}
	return out
}

// split gives an exposed service the routes that its annotations ask for, or returns it as it is.
func (b *builder) split(s *Service, annotations map[string]string, nodes members) *Service {
	primary, canary := annotations[annotationPrimary], annotations[annotationCanary]
	if primary == "" || canary == "" {
		for _, key := range []string{annotationPrimary, annotationCanary, annotationCanaryWeight} {
			_, given := annotations[key]
			b.ignored(s.ID, given, annotationPath.Key(key), "the routes of the virtual service hold, for a split needs both primary and canary")
		}
		return s
	}
	weight, err := strconv.ParseUint(annotations[annotationCanaryWeight], 10, 32)
	if text, given := annotations[annotationCanaryWeight]; given && (err != nil || weight > 100) {
		b.remark(s.ID, ReasonInvalid, field.Invalid(annotationPath.Key(annotationCanaryWeight), text, "everything goes to the primary, for this is not a percentage"))
		weight = 0
	}
	route := wholeRoute(s.httpPort(0))
	if route == nil {
		route = &Route{Match: Match{Prefix: "/"}, Timeout: defaultTimeout, Idle: defaultIdle, Retry: defaultRetry()}
	}
	out := *route
	out.Name, out.Sources = "split", []ObjectRef{s.ID}
	out.Targets = slices.Concat(
		share(b.armTargets(s, annotationPrimary, primary, nodes), 100-uint32(weight)),
		share(b.armTargets(s, annotationCanary, canary, nodes), uint32(weight)))
	if !slices.ContainsFunc(out.Targets, func(t Target) bool { return t.Weight > 0 }) {
		return s
	}
	port := uint32(80)
	if p := s.httpPort(0); p != nil {
		port = p.Port
	}
	divided := *s
	divided.Ports = []ServicePort{{Port: port, Protocol: HTTP, Routes: []Route{out}}}
	return &divided
}

// armTargets gives where an arm's requests go, or nothing after telling that there is no such thing.
func (b *builder) armTargets(s *Service, key, text string, nodes members) []Target {
	for _, a := range armsOf(text, s.ID.Namespace) {
		if a.port == 0 {
			if p := s.httpPort(0); p != nil {
				a.port = p.Port
			}
		}
		refs := a.refs()
		if found := b.model.Service(refs[0]); found != nil && found.Mesh == s.Mesh {
			if route := wholeRoute(found.httpPort(a.port)); route != nil && totalWeight(route.Targets) > 0 {
				return route.Targets
			}
		}
		if node := nodes[refs[1]]; node != nil && meshName(node.mesh) == s.Mesh {
			l := pickListener(node.listeners, ServicePort{Port: a.port}, 0)
			if l != nil && l.cluster != "" && l.protocol.IsHTTP() {
				return []Target{{Cluster: l.cluster, Weight: 1}}
			}
		}
	}
	err := field.NotFound(annotationPath.Key(key), text)
	err.Detail = fmt.Sprintf("the gateway sends nothing there, for mesh %q has no virtual service and no virtual node of this name that takes HTTP requests of every path; create it, or name another", s.Mesh)
	b.awaits(s.ID, ReasonServiceNotFound, err)
	return nil
}

// wholeRoute is the route of a port that takes every request that comes to it, if there is one.
func wholeRoute(p *ServicePort) *Route {
	if p == nil {
		return nil
	}
	i := slices.IndexFunc(p.Routes, func(r Route) bool { return hides(r.Match, Match{}) })
	if i < 0 {
		return nil
	}
	return &p.Routes[i]
}

// shareUnits is how finely the share of an arm with several targets is divided.
const shareUnits = 1000

// share divides a percentage between targets by their weights.
func share(targets []Target, percent uint32) []Target {
	var out []Target
	for _, t := range targets {
		out = append(out, Target{Cluster: t.Cluster, Weight: uint32(uint64(percent) * shareUnits * uint64(t.Weight) / totalWeight(targets))})
	}
	return out
}

func totalWeight(targets []Target) uint64 {
	sum := uint64(0)
	for _, t := range targets {
		sum += uint64(t.Weight)
	}
	return sum
}
