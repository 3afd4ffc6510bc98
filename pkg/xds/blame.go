package xds

import (
	"slices"
	"strings"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Refusal is a resource that a proxy did not take, with Envoy's sentence.
type Refusal struct {
	Proxy mesh.ProxyID
	// Type is the resource's type URL.
	Type     string
	Resource string
	Message  string
}

// Blame returns the objects that the refused part of a resource was made from, sorted: those of the parts that Envoy
// names (virtual hosts, domains, clusters), or of the whole resource if it names none.
func Blame(m *mesh.Model, r Refusal) []mesh.ObjectRef {
	all := partsOf(m, r)
	// A short name, such as the domain "web", may be any word of the sentence: it is none to go by.
	named := slices.DeleteFunc(slices.Clone(all), func(p part) bool {
		return !slices.ContainsFunc(p.names, func(name string) bool { return strings.ContainsAny(name, "._") && Mentions(r.Message, name) })
	})
	if len(named) == 0 {
		named = all
	}
	return objects(named)
}

// Origins returns all objects that a refused resource was made from, sorted: whatever is wrong, none of them is served as
// it says now.
func Origins(m *mesh.Model, r Refusal) []mesh.ObjectRef { return objects(partsOf(m, r)) }

// part is a piece of a resource with origins of its own. names are what Envoy may call it.
type part struct {
	names   []string
	objects []mesh.ObjectRef
}

func objects(parts []part) []mesh.ObjectRef {
	var out []mesh.ObjectRef
	for _, p := range parts {
		out = append(out, p.objects...)
	}
	slices.SortFunc(out, mesh.ObjectRef.Compare)
	return slices.Compact(out)
}

// partsOf takes a resource apart again. What the model does not have any more is nobody's.
func partsOf(m *mesh.Model, r Refusal) []part {
	if m == nil {
		return nil
	}
	own := part{objects: []mesh.ObjectRef{{Kind: string(r.Proxy.Kind), Namespace: r.Proxy.Namespace, Name: r.Proxy.Name}}}
	switch r.Type {
	case resource.ClusterType, resource.EndpointType:
		if c := m.Cluster(r.Resource); c != nil {
			return []part{{objects: c.Sources}}
		}
	case resource.ListenerType:
		if r.Resource == mesh.EgressListenerName {
			return append(tcpParts(m, m.Node(r.Proxy)), own)
		}
	case resource.RouteType:
		if parts := append(egressParts(m, r), gatewayParts(m, r)...); len(parts) > 0 {
			return parts
		}
	}
	if m.Node(r.Proxy) == nil && m.Gateway(r.Proxy) == nil {
		return nil
	}
	return []part{own}
}

// tcpParts are the services whose targets the egress listener itself holds.
func tcpParts(m *mesh.Model, n *mesh.Node) []part {
	if n == nil {
		return nil
	}
	var out []part
	for _, port := range n.Egress {
		if port.Protocol.IsHTTP() {
			continue
		}
		for _, host := range port.Hosts {
			out = append(out, serviceParts(m.Service(host.Service), port.Port, chainName(port.Port))...)
		}
	}
	return out
}

// egressParts are the services of an egress route table.
func egressParts(m *mesh.Model, r Refusal) []part {
	n := m.Node(r.Proxy)
	if n == nil {
		return nil
	}
	var out []part
	for _, port := range n.Egress {
		if !port.Protocol.IsHTTP() || mesh.EgressRouteName(port.Protocol, port.Port) != r.Resource {
			continue
		}
		for _, host := range port.Hosts {
			out = append(out, serviceParts(m.Service(host.Service), port.Port, host.Domains...)...)
		}
	}
	return out
}

// serviceParts takes a service apart: as a whole it has its name and those that it goes by, and each route its clusters.
func serviceParts(s *mesh.Service, port uint32, names ...string) []part {
	if s == nil {
		return nil
	}
	out := []part{{names: append(names, s.Name), objects: s.Sources}}
	if p := s.Port(port); p != nil {
		out = append(out, routeParts(p.Routes)...)
	}
	return out
}

func routeParts(routes []mesh.Route) []part {
	var out []part
	for _, route := range routes {
		out = append(out, part{objects: route.Sources, names: route.Clusters()})
	}
	return out
}

// gatewayParts are the routes of a gateway's table. Its domains are those of whoever has a route on them.
func gatewayParts(m *mesh.Model, r Refusal) []part {
	g := m.Gateway(r.Proxy)
	if g == nil {
		return nil
	}
	var out []part
	for _, l := range g.Listeners {
		if mesh.IngressRouteName(l.Protocol, l.Port) != r.Resource {
			continue
		}
		for _, host := range l.Hosts {
			parts := routeParts(host.Routes)
			out = append(append(out, part{names: host.Domains, objects: objects(parts)}), parts...)
		}
	}
	return out
}

// Mentions says whether a sentence of Envoy holds a name as a word of its own, not as the beginning of a longer name.
func Mentions(sentence, name string) bool {
	if name == "" || name == "*" {
		return false
	}
	for rest := sentence; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		after := rest[i+len(name):]
		if (i == 0 || !inName(rest[i-1])) && (after == "" || !inName(after[0])) {
			return true
		}
		rest = rest[i+1:]
	}
}

// inName tells the bytes that go on with a name. A dot may end a sentence.
func inName(b byte) bool {
	return b == '_' || b == '-' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}
