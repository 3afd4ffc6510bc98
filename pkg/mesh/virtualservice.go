package mesh

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// virtualServices adds every virtual service of a mesh, with the ports of its provider.
func (b *builder) virtualServices(nodes members, routers map[ObjectRef]*router) {
	for _, v := range b.serviceList {
		ref := refOf(KindVirtualService, v)
		m := b.memberOf(ref, v.Spec.MeshRef)
		if m == nil {
			continue
		}
		name := serviceName(v)
		b.checkName(ref, name)
		if !isDomain(canonical(name)) {
			b.blocked(ref, ReasonInvalid, field.Invalid(specPath.Child("awsName"), name, "callers use the name as a host name, and this is none"))
			continue
		}
		out := Service{ID: ref, Mesh: meshName(m), Name: canonical(name), Sources: []ObjectRef{ref}}
		b.enterName(awsName{kind: KindVirtualService, mesh: out.Mesh, name: out.Name}, seniorityOf(ref, &v.ObjectMeta))
		b.provide(&out, nodeUse{by: ref, mesh: m, path: specPath.Child("provider")}, v.Spec.Provider, providers{nodes: nodes, routers: routers})
		b.model.Services = append(b.model.Services, out)
	}
	slices.SortFunc(b.model.Services, func(a, b Service) int { return a.ID.Compare(b.ID) })
}

// serviceName is the host name of a virtual service.
func serviceName(v *appmeshv1beta2.VirtualService) string {
	return stringOr(v.Spec.AWSName, v.Name+"."+v.Namespace)
}

// providers are what can answer for a virtual service.
type providers struct {
	nodes   members
	routers map[ObjectRef]*router
}

// provide fills the ports of a service from its provider.
func (b *builder) provide(out *Service, use nodeUse, p *appmeshv1beta2.VirtualServiceProvider, from providers) {
	switch {
	case p == nil || p.VirtualNode == nil && p.VirtualRouter == nil:
		b.remark(use.by, ReasonNoProvider, field.Required(use.path, "nobody answers for the virtual service; give a virtualRouter or a virtualNode"))
	case p.VirtualNode != nil && p.VirtualRouter != nil:
		b.blocked(use.by, ReasonInvalid, field.Invalid(use.path, field.OmitValueType{}, "give virtualRouter or virtualNode, not both"))
	case p.VirtualRouter != nil:
		b.provideRouter(out, use, p.VirtualRouter, from)
	default:
		b.provideNode(out, use, p.VirtualNode, from)
	}
}

func (b *builder) provideRouter(out *Service, use nodeUse, p *appmeshv1beta2.VirtualRouterServiceProvider, from providers) {
	ref, path, ok := b.resolve(reference{
		by: use.by, path: use.path.Child("virtualRouter"), kind: KindVirtualRouter,
		ref: (*kubernetesReference)(p.VirtualRouterRef), arn: p.VirtualRouterARN,
	})
	r := from.routers[ref]
	switch {
	case !ok:
	case r == nil:
		b.awaits(use.by, ReasonRouterNotFound, missing(path, ref, "create it, see its conditions, or name another"))
	case r.mesh != use.mesh:
		b.blocked(use.by, ReasonOtherMesh, field.Invalid(path, ref.Name, fmt.Sprintf("%s belongs to mesh %q, not to %q", ref, r.mesh.Name, use.mesh.Name)))
	default:
		out.Ports = r.ports
		out.Sources = append(out.Sources, ref)
	}
}

// provideNode makes one route to each listener. With no route to give a timeout, the listener's is the callers' too.
func (b *builder) provideNode(out *Service, use nodeUse, p *appmeshv1beta2.VirtualNodeServiceProvider, from providers) {
	ref, path, ok := b.resolve(reference{
		by: use.by, path: use.path.Child("virtualNode"), kind: KindVirtualNode,
		ref: (*kubernetesReference)(p.VirtualNodeRef), arn: p.VirtualNodeARN,
	})
	if !ok {
		return
	}
	use.path = path
	node, ok := b.node(from.nodes, use, ref)
	if !ok {
		return
	}
	out.Sources = append(out.Sources, ref)
	for _, l := range node.listeners {
		if l.cluster == "" {
			continue
		}
		route := Route{
			Name: "default", Targets: []Target{{Cluster: l.cluster, Weight: 1}},
			Timeout: defaultTimeout, Idle: l.idle, Sources: []ObjectRef{ref},
		}
		if l.ownTimeout {
			route.Timeout = l.timeout
		}
		if l.protocol.IsHTTP() {
			route.Match, route.Retry = Match{Prefix: "/"}, defaultRetry()
		}
		out.Ports = append(out.Ports, ServicePort{Port: l.port, Protocol: l.protocol, Routes: []Route{route}})
	}
	if len(out.Ports) == 0 {
		b.awaits(use.by, ReasonNoListener, field.Invalid(use.path, ref.Name, fmt.Sprintf("%s has no listener that callers can find", ref)))
	}
}
