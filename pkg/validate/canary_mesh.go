package validate

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// injectKey, as a label of a namespace and as an annotation of a pod, says whether pods get a proxy.
const injectKey = appmeshv1beta2.AnnotationSidecarInjectorWebhook

// canaryInMesh is SL045.
func canaryInMesh(c change[canaryv1beta1.Canary]) []problem {
	if !routed(c.new) || !c.world.knows(kindMesh, everywhere) || c.world.NamespaceLabels == nil {
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
	if !routed(c.new) || !c.world.knows(kindVirtualNode, everywhere) || len(c.new.Spec.Service.Hosts) > 0 {
		return nil
	}
	apex := engine.Apex(c.new)
	if c.world.called(c.new.Namespace, apex) {
		return nil
	}
	return one(field.NewPath("spec", "service"), Warn,
		"no virtual node or gateway has the virtual service %q among its backends, so requests pass the split by and the canary is judged by none; add it to the backends of its callers: virtualServiceRef: {name: %[1]s}, or set service.hosts", apex)
}

// called tells whether the proxies of a virtual node or of a gateway know a virtual service.
func (w World) called(namespace, service string) bool {
	for _, kind := range []string{kindVirtualNode, kindGatewayRoute, kindBackendGroup, kindCanary} {
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

// callsOf are the virtual services that an object makes known to proxies, as namespace/name: a Canary by the virtual
// nodes that it makes.
func callsOf(object metav1.Object) []string {
	var out []string
	add := func(ref *appmeshv1beta2.VirtualServiceReference, arn *string) {
		switch {
		case ref != nil && ref.Namespace != nil:
			out = append(out, key(*ref.Namespace, ref.Name))
		case ref != nil:
			out = append(out, key(object.GetNamespace(), ref.Name))
		case arn != nil:
			if service, ok := serviceByARN(*arn); ok {
				out = append(out, service)
			}
		}
	}
	switch o := object.(type) {
	case *appmeshv1beta2.VirtualNode:
		for _, backend := range o.Spec.Backends {
			add(backend.VirtualService.VirtualServiceRef, backend.VirtualService.VirtualServiceARN)
		}
		for _, group := range o.Spec.BackendGroups {
			if group.Name == everyService {
				add(&appmeshv1beta2.VirtualServiceReference{Name: everyService, Namespace: group.Namespace}, nil)
			}
		}
	case *appmeshv1beta2.BackendGroup:
		for _, ref := range o.Spec.VirtualServices {
			add(&ref, nil)
		}
	case *appmeshv1beta2.GatewayRoute:
		for _, target := range targetsOf(o.Spec) {
			add(target.VirtualService.VirtualServiceRef, target.VirtualService.VirtualServiceARN)
		}
	case *canaryv1beta1.Canary:
		for _, backend := range o.Spec.Service.Backends {
			if service, ok := serviceByARN(backend); ok {
				out = append(out, service)
			} else if routed(o) {
				out = append(out, key(o.Namespace, backend))
			}
		}
	}
	return out
}

// targetsOf are the targets of a gateway route, whatever its protocol.
func targetsOf(spec appmeshv1beta2.GatewayRouteSpec) []appmeshv1beta2.GatewayRouteTarget {
	var out []appmeshv1beta2.GatewayRouteTarget
	for _, route := range []*appmeshv1beta2.HTTPGatewayRoute{spec.HTTPRoute, spec.HTTP2Route} {
		if route != nil {
			out = append(out, route.Action.Target)
		}
	}
	if spec.GRPCRoute != nil {
		out = append(out, spec.GRPCRoute.Action.Target)
	}
	return out
}

// serviceByARN is the virtual service of an ARN, by the names that App Mesh gives them: <name>.<namespace>, and more.
func serviceByARN(arn string) (string, bool) {
	_, word, awsName, ok := mesh.ParseARN(arn)
	labels := strings.Split(awsName, ".")
	if !ok || word != "virtualService" || len(labels) < 2 {
		return "", false
	}
	return key(labels[1], labels[0]), true
}
