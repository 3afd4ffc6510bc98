package validate

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// injectKey, as a label of a namespace and as an annotation of a pod, says whether pods get a proxy.
const injectKey = appmeshv1beta2.AnnotationSidecarInjectorWebhook

// canaryInMesh is SL045.
func canaryInMesh(c change[canaryv1beta1.Canary]) []problem {
	if !routed(c.new) || !c.world.knows(kindMesh) || c.world.NamespaceLabels == nil {
		return nil
	}
	path := field.NewPath("metadata", "namespace")
	if _, _, err := DesignateMesh(c.new.Namespace, c.world); err != nil {
		return one(path, c.world.atStart(), "%v, so no traffic can be shifted; label the namespace as the namespaceSelector of one Mesh asks", err)
	}
	if c.world.NamespaceLabels[injectKey] != appmeshv1beta2.ValueEnabled {
		return one(path, c.world.atStart(), "namespace %s has no label %s: enabled, so its pods get no proxy and no traffic can be shifted; add the label", c.new.Namespace, injectKey)
	}
	return nil
}

// canaryHasCallers is SL050: somebody's proxy must know the virtual service, or the split is passed by.
func canaryHasCallers(c change[canaryv1beta1.Canary]) []problem {
	if !routed(c.new) || !c.world.knows(kindVirtualNode) || len(c.new.Spec.Service.Hosts) > 0 {
		return nil
	}
	apex := apexOf(c.new)
	if c.world.called(c.new.Namespace, apex) {
		return nil
	}
	return one(field.NewPath("spec", "service"), Warn,
		"no virtual node or gateway has the virtual service %q among its backends, so requests pass the split by and the canary is judged by none; add it to the backends of its callers: virtualServiceRef: {name: %[1]s}, or set service.hosts", apex)
}

// called tells whether the proxies of a virtual node or of a gateway know a virtual service.
func (w World) called(namespace, service string) bool {
	for _, kind := range []string{kindVirtualNode, kindGatewayRoute, kindBackendGroup} {
		for _, name := range []string{service, everyService} {
			if len(w.Cluster.Related(Relation{Kind: kind, by: calls, to: key(namespace, name)})) > 0 {
				return true
			}
		}
	}
	return false
}

// everyService is the name of the BackendGroup of all virtual services of a namespace.
const everyService = "*"

// callsOf are the virtual services that an object of the mesh makes known to proxies, as namespace/name.
func callsOf(object any) []string {
	var out []string
	add := func(namespace string, ref *appmeshv1beta2.VirtualServiceReference) {
		if ref == nil {
			return
		}
		if ref.Namespace != nil {
			namespace = *ref.Namespace
		}
		out = append(out, key(namespace, ref.Name))
	}
	switch o := object.(type) {
	case *appmeshv1beta2.VirtualNode:
		for _, backend := range o.Spec.Backends {
			add(o.Namespace, backend.VirtualService.VirtualServiceRef)
		}
		for _, group := range o.Spec.BackendGroups {
			if group.Name == everyService {
				add(o.Namespace, &appmeshv1beta2.VirtualServiceReference{Name: everyService, Namespace: group.Namespace})
			}
		}
	case *appmeshv1beta2.BackendGroup:
		for _, ref := range o.Spec.VirtualServices {
			add(o.Namespace, &ref)
		}
	case *appmeshv1beta2.GatewayRoute:
		for _, route := range []*appmeshv1beta2.HTTPGatewayRoute{o.Spec.HTTPRoute, o.Spec.HTTP2Route} {
			if route != nil {
				add(o.Namespace, route.Action.Target.VirtualService.VirtualServiceRef)
			}
		}
		if o.Spec.GRPCRoute != nil {
			add(o.Namespace, o.Spec.GRPCRoute.Action.Target.VirtualService.VirtualServiceRef)
		}
	}
	return out
}
