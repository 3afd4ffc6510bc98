package mesh

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Objects finds what there is around an object: in caches, in files, or over the network.
type Objects interface {
	// Object gives an object of one of App Mesh's kinds, or nil.
	Object(ref ObjectRef) metav1.Object
	// Named gives the objects of a kind that NameOf says this name of, in any mesh: ARNs name objects so.
	Named(kind, name string) []metav1.Object
	// Namespace gives a namespace, or nil. Its name and labels are enough.
	Namespace(name string) *corev1.Namespace
	// Meshes and VirtualGateways are asked for as lists, because membership follows from their selectors.
	Meshes() []*appmeshv1beta2.Mesh
	VirtualGateways() []*appmeshv1beta2.VirtualGateway
}

// Check gives the problems that one object has, by building a mesh of it and of what it leads to, and of nothing else:
// the work does not grow with the cluster. object need not be among around, and counts in its place if it is.
//
// What it does not lead to it cannot be told to be in conflict with: two objects of one name, or two services on one
// port, are found by Build. Nor does it look at Services, so host names pass.
func Check(kind string, object metav1.Object, around Objects) []Problem {
	ref := refOf(kind, object)
	n := &neighbourhood{around: around, candidate: ref, seen: map[ObjectRef]bool{}, namespaces: map[string]bool{}}
	n.add(ref, object)
	n.snapshot.Meshes = append(n.snapshot.Meshes, n.meshes()...)
	_, all := Build(n.snapshot)
	var own []Problem
	for _, p := range all {
		if p.Object == ref && p.Reason != ReasonHostNotFound {
			own = append(own, p)
		}
	}
	return own
}

// neighbourhood collects an object and what it leads to.
type neighbourhood struct {
	around     Objects
	candidate  ObjectRef
	seen       map[ObjectRef]bool
	namespaces map[string]bool
	snapshot   Snapshot
}

// find adds the object of a reference, unless it is there already or does not exist.
func (n *neighbourhood) find(ref ObjectRef) {
	if n.seen[ref] {
		return
	}
	if object := n.around.Object(ref); object != nil {
		n.add(ref, object)
	}
}

// findNamed adds the objects that an ARN may mean; the mesh in it is looked at when the model is built.
func (n *neighbourhood) findNamed(kind string, arn *string) {
	if arn == nil {
		return
	}
	name, err := parseARN(nil, *arn, kind)
	if err != nil {
		return
	}
	for _, object := range n.around.Named(kind, name.name) {
		if ref := refOf(kind, object); !n.seen[ref] {
			n.add(ref, object)
		}
	}
}

func (n *neighbourhood) add(ref ObjectRef, object metav1.Object) {
	n.seen[ref] = true
	if ref.Namespace != "" && !n.namespaces[ref.Namespace] {
		n.namespaces[ref.Namespace] = true
		if namespace := n.around.Namespace(ref.Namespace); namespace != nil {
			n.snapshot.Namespaces = append(n.snapshot.Namespaces, namespace)
		}
	}
	n.snapshot.Add(object)
	switch o := object.(type) {
	case *appmeshv1beta2.VirtualNode:
		n.followNode(ref, o)
	case *appmeshv1beta2.VirtualService:
		n.followService(ref, o)
	case *appmeshv1beta2.VirtualRouter:
		n.followRouter(ref, o)
	case *appmeshv1beta2.GatewayRoute:
		n.followGatewayRoute(ref, o)
	case *appmeshv1beta2.BackendGroup:
		for _, service := range o.Spec.VirtualServices {
			n.find(refTo(KindVirtualService, service.Namespace, service.Name, ref))
		}
	}
}

// followNode follows the backends of the candidate alone: those of the nodes that it leads to are not its business,
// and would lead all over the mesh.
func (n *neighbourhood) followNode(ref ObjectRef, node *appmeshv1beta2.VirtualNode) {
	if ref != n.candidate {
		return
	}
	for _, backend := range node.Spec.Backends {
		if r := backend.VirtualService.VirtualServiceRef; r != nil {
			n.find(refTo(KindVirtualService, r.Namespace, r.Name, ref))
		}
		n.findNamed(KindVirtualService, backend.VirtualService.VirtualServiceARN)
	}
	for _, group := range node.Spec.BackendGroups {
		n.find(refTo(KindBackendGroup, group.Namespace, group.Name, ref))
	}
}

func (n *neighbourhood) followService(ref ObjectRef, service *appmeshv1beta2.VirtualService) {
	if p := service.Spec.Provider; p != nil && p.VirtualNode != nil {
		if r := p.VirtualNode.VirtualNodeRef; r != nil {
			n.find(refTo(KindVirtualNode, r.Namespace, r.Name, ref))
		}
		n.findNamed(KindVirtualNode, p.VirtualNode.VirtualNodeARN)
	}
	if p := service.Spec.Provider; p != nil && p.VirtualRouter != nil {
		if r := p.VirtualRouter.VirtualRouterRef; r != nil {
			n.find(refTo(KindVirtualRouter, r.Namespace, r.Name, ref))
		}
		n.findNamed(KindVirtualRouter, p.VirtualRouter.VirtualRouterARN)
	}
	if _, exposed := service.Annotations[appmeshv1beta2.AnnotationGatewayExpose]; exposed && ref == n.candidate {
		n.addGateways()
		for _, key := range []string{annotationPrimary, annotationCanary} {
			for _, a := range armsOf(service.Annotations[key], ref.Namespace) {
				for _, meant := range a.refs() {
					n.find(meant)
				}
			}
		}
	}
}

func (n *neighbourhood) followRouter(ref ObjectRef, router *appmeshv1beta2.VirtualRouter) {
	for _, route := range router.Spec.Routes {
		for _, target := range targetsOf(route) {
			if r := target.VirtualNodeRef; r != nil {
				n.find(refTo(KindVirtualNode, r.Namespace, r.Name, ref))
			}
			n.findNamed(KindVirtualNode, target.VirtualNodeARN)
		}
	}
}

// targetsOf lists the targets of every kind that a route gives, and where it copies requests to.
func targetsOf(route appmeshv1beta2.Route) []appmeshv1beta2.WeightedTarget {
	var targets []appmeshv1beta2.WeightedTarget
	if r := route.GRPCRoute; r != nil {
		targets = append(targets, r.Action.WeightedTargets...)
	}
	for _, r := range []*appmeshv1beta2.HTTPRoute{route.HTTPRoute, route.HTTP2Route} {
		if r == nil {
			continue
		}
		targets = append(targets, r.Action.WeightedTargets...)
		if m := r.Action.Mirror; m != nil {
			targets = append(targets, appmeshv1beta2.WeightedTarget{VirtualNodeRef: m.VirtualNodeRef})
		}
	}
	if r := route.TCPRoute; r != nil {
		targets = append(targets, r.Action.WeightedTargets...)
	}
	return targets
}

func (n *neighbourhood) followGatewayRoute(ref ObjectRef, route *appmeshv1beta2.GatewayRoute) {
	if r := route.Spec.VirtualGatewayRef; r != nil && r.Name != "" {
		n.find(refTo(KindVirtualGateway, r.Namespace, r.Name, ref))
	} else {
		n.addGateways()
	}
	if parts, err := partsOf(route.Spec); err == nil {
		if r := parts.target.VirtualService.VirtualServiceRef; r != nil {
			n.find(refTo(KindVirtualService, r.Namespace, r.Name, ref))
		}
		n.findNamed(KindVirtualService, parts.target.VirtualService.VirtualServiceARN)
	}
}

func (n *neighbourhood) addGateways() {
	for _, gateway := range n.around.VirtualGateways() {
		if ref := refOf(KindVirtualGateway, gateway); !n.seen[ref] {
			n.add(ref, gateway)
		}
	}
}

// meshes lists all but the candidate, which is there already.
func (n *neighbourhood) meshes() []*appmeshv1beta2.Mesh {
	var out []*appmeshv1beta2.Mesh
	for _, mesh := range n.around.Meshes() {
		if refOf(KindMesh, mesh) != n.candidate {
			out = append(out, mesh)
		}
	}
	return out
}

// NameOf is what App Mesh calls an object, within its mesh: its awsName, given or derived. Routes of gateways and groups of
// backends are called nothing here, since nobody names them so.
func NameOf(object metav1.Object) string {
	switch o := object.(type) {
	case *appmeshv1beta2.VirtualNode:
		return memberName(o.Spec.AWSName, refOf(KindVirtualNode, o))
	case *appmeshv1beta2.VirtualRouter:
		return memberName(o.Spec.AWSName, refOf(KindVirtualRouter, o))
	case *appmeshv1beta2.VirtualGateway:
		return memberName(o.Spec.AWSName, refOf(KindVirtualGateway, o))
	case *appmeshv1beta2.VirtualService:
		return canonical(serviceName(o))
	case *appmeshv1beta2.Mesh:
		return meshName(o)
	}
	return ""
}
