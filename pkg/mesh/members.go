package mesh

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Members are the objects that would lose their place if a Mesh or a VirtualGateway went: those that name it as theirs
// and are not on their way out themselves, nor with their namespace. The uid that they name does not count, as in the
// model.
type Members []ObjectRef

// MembersOf gives the members of a Mesh or a VirtualGateway, by kind and name. Other objects have none.
func MembersOf(of ObjectRef, s Snapshot) Members {
	switch of.Kind {
	case KindMesh:
		return meshMembers(of, s)
	case KindVirtualGateway:
		var out Members
		stays := staying(s)
		for _, route := range sorted(s.GatewayRoutes) {
			r := route.Spec.VirtualGatewayRef
			ref := refOf(KindGatewayRoute, route)
			if r != nil && stays(route) && refTo(KindVirtualGateway, r.Namespace, r.Name, ref) == of {
				out = append(out, ref)
			}
		}
		return out
	}
	return nil
}

func meshMembers(of ObjectRef, s Snapshot) Members {
	var out Members
	stays := staying(s)
	add := func(kind string, o metav1.Object, mesh string) {
		if mesh == of.Name && stays(o) {
			out = append(out, refOf(kind, o))
		}
	}
	for _, o := range sorted(s.VirtualServices) {
		add(KindVirtualService, o, value(o.Spec.MeshRef).Name)
	}
	for _, o := range sorted(s.VirtualRouters) {
		add(KindVirtualRouter, o, value(o.Spec.MeshRef).Name)
	}
	for _, o := range sorted(s.VirtualNodes) {
		add(KindVirtualNode, o, value(o.Spec.MeshRef).Name)
	}
	for _, o := range sorted(s.VirtualGateways) {
		add(KindVirtualGateway, o, value(o.Spec.MeshRef).Name)
	}
	for _, o := range sorted(s.GatewayRoutes) {
		add(KindGatewayRoute, o, value(o.Spec.MeshRef).Name)
	}
	return out
}

// staying tells objects that stay from those that go.
func staying(s Snapshot) func(metav1.Object) bool {
	going := map[string]bool{}
	for _, namespace := range s.Namespaces {
		going[namespace.Name] = namespace.DeletionTimestamp != nil
	}
	return func(o metav1.Object) bool { return o.GetDeletionTimestamp() == nil && !going[o.GetNamespace()] }
}

// Pending says, in App Mesh's words, that what the members belong to cannot go before them.
func (m Members) Pending(of ObjectRef) string {
	n := map[string]int{}
	for _, ref := range m {
		n[ref.Kind]++
	}
	if of.Kind == KindVirtualGateway {
		return fmt.Sprintf("objects belonging to this virtualGateway exist, please delete them to proceed. gatewayRoute: %d", n[KindGatewayRoute])
	}
	return fmt.Sprintf("objects belong to this mesh exists, please delete them to proceed. virtualService: %d, virtualRouter: %d, virtualNode: %d, virtualGateway: %d, gatewayRoute: %d",
		n[KindVirtualService], n[KindVirtualRouter], n[KindVirtualNode], n[KindVirtualGateway], n[KindGatewayRoute])
}

// maxNamed keeps a list of names readable.
const maxNamed = 5

// Named lists the first members by name.
func (m Members) Named() string {
	var names []string
	for i, ref := range m {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(m)-maxNamed))
			break
		}
		names = append(names, ref.String())
	}
	return strings.Join(names, ", ")
}
