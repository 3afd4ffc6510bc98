package mesh

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// nodes adds the configuration of every virtual node's sidecars.
func (b *builder) nodes(nodes members) {
	for _, node := range nodes {
		mesh := meshName(node.mesh)
		out := Node{
			ID:   ProxyID{Kind: ProxyVirtualNode, Namespace: node.ref.Namespace, Name: node.ref.Name},
			Mesh: mesh, Name: node.name, Addresses: familyOf(node.mesh), AllowAll: allowsAll(node.mesh),
			AccessLog: b.accessLog(node.ref, node.spec.Logging),
		}
		for _, l := range node.listeners {
			if l.closed {
				continue
			}
			name := NodeListener{Mesh: mesh, Node: node.name, Protocol: l.protocol, Port: l.port}
			out.Ingress = append(out.Ingress, IngressPort{
				Port: l.port, Protocol: l.protocol, Cluster: name.IngressCluster(), Timeout: l.timeout, Idle: l.idle,
				Limits: l.limits, HealthPaths: healthPaths(node.listeners, l.port), TLS: l.tls,
			})
		}
		backends := b.backends(node)
		out.Egress = b.egress(node.ref.Namespace, backends)
		out.ClientTLS = b.clientTLS(b.nodePolicies(node, backends))
		b.model.Nodes = append(b.model.Nodes, out)
	}
	slices.SortFunc(b.model.Nodes, func(a, b Node) int { return a.ID.Compare(b.ID) })
}

// backends are the services that a virtual node declares, the oldest first, each once. A node sees no others: that keeps
// its configuration small, and a name that it did not ask for cannot take its traffic.
func (b *builder) backends(node *member) []*Service {
	wanted := map[ObjectRef]*field.Path{}
	for i := range node.spec.Backends {
		if ref, path, ok := b.backend(node, i); ok {
			wanted[ref] = path
		}
	}
	b.groupBackends(node, wanted)
	var found []*Service
	for ref, path := range wanted {
		svc := b.model.Service(ref)
		switch {
		case svc == nil:
			b.awaits(node.ref, ReasonServiceNotFound, missing(path, ref, "create it, or take it off the backends"))
		case svc.Mesh != meshName(node.mesh):
			b.blocked(node.ref, ReasonOtherMesh, field.Invalid(path, ref.Name, fmt.Sprintf("%s belongs to mesh %q, not to %q", ref, svc.Mesh, meshName(node.mesh))))
		default:
			found = append(found, svc)
		}
	}
	slices.SortFunc(found, func(x, y *Service) int { return b.seniority(x).compare(b.seniority(y)) })
	return found
}

// backend resolves one of the services that a virtual node declares.
func (b *builder) backend(node *member, i int) (ObjectRef, *field.Path, bool) {
	v := node.spec.Backends[i].VirtualService
	return b.resolve(reference{
		by: node.ref, path: specPath.Child("backends").Index(i).Child("virtualService"), kind: KindVirtualService,
		ref: (*kubernetesReference)(v.VirtualServiceRef), arn: v.VirtualServiceARN,
	})
}

func (b *builder) seniority(s *Service) seniority {
	return seniorityOf(s.ID, &b.serviceByRef[s.ID].ObjectMeta)
}

// groupBackends adds the services of the node's backend groups. The name * stands for all of a namespace.
func (b *builder) groupBackends(node *member, wanted map[ObjectRef]*field.Path) {
	add := func(ref ObjectRef, path *field.Path) {
		if wanted[ref] == nil {
			wanted[ref] = path
		}
	}
	for i, g := range node.spec.BackendGroups {
		path := specPath.Child("backendGroups").Index(i)
		ref := refTo(KindBackendGroup, g.Namespace, g.Name, node.ref)
		if g.Name == "*" {
			for _, s := range b.model.Services {
				// Only those of the node's own mesh: nobody asked for the others by name.
				if s.ID.Namespace == ref.Namespace && s.Mesh == meshName(node.mesh) {
					add(s.ID, path)
				}
			}
			continue
		}
		group := b.groups[ref]
		if group == nil {
			b.awaits(node.ref, ReasonGroupNotFound, missing(path, ref, "create it, or take it off the backendGroups"))
			continue
		}
		for _, s := range group.Spec.VirtualServices {
			add(refTo(KindVirtualService, s.Namespace, s.Name, ref), path)
		}
	}
}

// egress arranges the backends by port. services are the oldest first.
func (b *builder) egress(caller string, services []*Service) []EgressPort {
	byPort := map[uint32][]*Service{}
	for _, s := range services {
		for _, p := range s.Ports {
			byPort[p.Port] = append(byPort[p.Port], s)
		}
	}
	var ports []EgressPort
	for port, all := range byPort {
		p := EgressPort{Port: port, Protocol: all[0].Port(port).Protocol}
		if p.Protocol == TCP {
			p.Hosts = []EgressHost{{Service: all[0].ID}}
			for _, late := range all[1:] {
				b.portTaken(late, all[0], port)
			}
		} else {
			p.Hosts = b.hosts(&p, caller, all)
		}
		ports = append(ports, p)
	}
	slices.SortFunc(ports, func(a, b EgressPort) int { return cmp.Compare(a.Port, b.Port) })
	return ports
}

func (b *builder) portTaken(late, first *Service, port uint32) {
	b.blocked(late.ID, ReasonPortConflict, field.Invalid(specPath.Child("provider"), port, fmt.Sprintf(
		"on this port the sidecars that have %s as a backend too cannot tell the two apart, and that one is older; move one to another port, or speak HTTP on both", first.ID)))
}

// hosts gives each service of an HTTP port its domains. If their protocols differ, Envoy finds out per connection, and
// the port counts as HTTP.
func (b *builder) hosts(p *EgressPort, caller string, all []*Service) []EgressHost {
	table := newDomains(b)
	for _, s := range all {
		protocol := s.Port(p.Port).Protocol
		if protocol == TCP {
			b.portTaken(s, all[0], p.Port)
			continue
		}
		if protocol != p.Protocol {
			p.Protocol = HTTP
		}
		table.claim(s, b.spellings(s.Name, s.ID.Namespace, caller))
	}
	var hosts []EgressHost
	for service, names := range table.won() {
		var domains []string
		for _, name := range names {
			domains = append(domains, name)
			if name != "*" {
				domains = append(domains, name+":"+decimal(p.Port))
			}
		}
		hosts = append(hosts, EgressHost{Service: service, Domains: domains})
	}
	slices.SortFunc(hosts, func(a, b EgressHost) int { return a.Service.Compare(b.Service) })
	return hosts
}

// accessLog converts the logging of a node or a gateway.
func (b *builder) accessLog(object ObjectRef, l *appmeshv1beta2.Logging) *AccessLog {
	if l == nil || l.AccessLog == nil || l.AccessLog.File == nil {
		return nil
	}
	path := specPath.Child("logging", "accessLog", "file")
	f := l.AccessLog.File
	if f.Path == "" || !isHeaderValue(f.Path) {
		b.blocked(object, ReasonInvalid, field.Invalid(path.Child("path"), f.Path, "nothing is logged, for this is not the path of a file; /dev/stdout is the container's log"))
		return nil
	}
	out := &AccessLog{Path: f.Path}
	if f.Format == nil {
		return out
	}
	if f.Format.Text != nil && len(f.Format.JSON) > 0 {
		b.remark(object, ReasonInvalid, field.Invalid(path.Child("format"), field.OmitValueType{}, "text and json exclude each other; json is used"))
	}
	if len(f.Format.JSON) == 0 {
		out.Text = value(f.Format.Text)
		return out
	}
	out.JSON = map[string]string{}
	for _, kv := range f.Format.JSON {
		out.JSON[kv.Key] = kv.Value
	}
	return out
}
