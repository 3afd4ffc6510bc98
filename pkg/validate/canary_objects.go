package validate

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// nodePortsThere is SL044. A virtual node that nothing leads to has a listener for form's sake.
func nodePortsThere(c change[appmeshv1beta2.VirtualNode]) []problem {
	selector := c.new.Spec.PodSelector
	if selector == nil || !c.world.led(c.new.Namespace, c.new.Name) {
		return nil
	}
	selects, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	var out []problem
	for _, w := range c.world.labelled(c.new.Namespace, selector.MatchLabels) {
		target, _, known := c.world.target(w.namespace, w.kind, w.name)
		declared := portsOf(target)
		if !known || len(declared) == 0 || !selects.Matches(labels.Set(target.template.Labels)) {
			continue
		}
		for i, listener := range c.new.Spec.Listeners {
			if port := sprintf("%d", listener.PortMapping.Port); !slices.Contains(declared, port) {
				out = append(out, problem{field.NewPath("spec", "listeners").Index(i).Child("portMapping", "port"), Warn, sprintf(
					"no container of %s declares port %s; %s", w, port, choose("if nothing listens there, set port to", declared, ""))})
			}
		}
	}
	return out
}

// led tells whether a virtual service or a route leads to a virtual node.
func (w World) led(namespace, node string) bool {
	for _, kind := range []string{kindVirtualService, kindVirtualRouter} {
		if w.Cluster != nil && len(w.Cluster.Related(Relation{Kind: kind, by: leadsTo, to: key(namespace, node)})) > 0 {
			return true
		}
	}
	return false
}

// nodesOf are the virtual nodes that a virtual service or the routes of a router name, as namespace/name.
func nodesOf(object any) []string {
	var out []string
	add := func(namespace string, ref *appmeshv1beta2.VirtualNodeReference) {
		if ref == nil {
			return
		}
		if ref.Namespace != nil {
			namespace = *ref.Namespace
		}
		if node := key(namespace, ref.Name); !slices.Contains(out, node) {
			out = append(out, node)
		}
	}
	switch o := object.(type) {
	case *appmeshv1beta2.VirtualService:
		if provider := o.Spec.Provider; provider != nil && provider.VirtualNode != nil {
			add(o.Namespace, provider.VirtualNode.VirtualNodeRef)
		}
	case *appmeshv1beta2.VirtualRouter:
		for _, route := range o.Spec.Routes {
			_, targets := weightedTargets(nil, route)
			for _, target := range targets {
				add(o.Namespace, target.VirtualNodeRef)
			}
		}
	}
	return out
}

// portsOf lists the ports that the containers of pods declare.
func portsOf(target pods) []string {
	var out []string
	for _, container := range target.template.Spec.Containers {
		for _, port := range container.Ports {
			out = append(out, sprintf("%d", port.ContainerPort))
		}
	}
	return out
}

// nodeSelectsAlone is SL051. It warns: who renames a node has both for a moment.
func nodeSelectsAlone(c change[appmeshv1beta2.VirtualNode]) []problem {
	selector := c.new.Spec.PodSelector
	if selector == nil {
		return nil
	}
	for _, other := range sharing[appmeshv1beta2.VirtualNode](c.world, kindVirtualNode, selecting, pairs(c.new.Namespace, selector.MatchLabels)) {
		if other.Name == c.new.Name || !overlap(selector, other.Spec.PodSelector) {
			continue
		}
		return one(field.NewPath("spec", "podSelector"), Warn, "%s selects the same pods, and a pod that two virtual nodes select is refused; let each select by a label of its own", quoted(kindVirtualNode, other.Name))
	}
	return nil
}

// overlap tells whether every pod of the one selector is surely one of the other.
func overlap(a, b *metav1.LabelSelector) bool {
	if len(a.MatchExpressions)+len(b.MatchExpressions) > 0 {
		return false // who can tell
	}
	within := func(few, many map[string]string) bool {
		return len(few) > 0 && labels.SelectorFromSet(few).Matches(labels.Set(many))
	}
	return within(a.MatchLabels, b.MatchLabels) || within(b.MatchLabels, a.MatchLabels)
}

// routerWeights is SL047.
func routerWeights(c change[appmeshv1beta2.VirtualRouter]) []problem {
	out := c.served(ruleWeights)
	for i, route := range c.new.Spec.Routes {
		path, targets := weightedTargets(field.NewPath("spec", "routes").Index(i), route)
		seen := map[string]bool{}
		for j, target := range targets {
			if target.VirtualNodeRef == nil {
				continue
			}
			namespace, port := c.new.Namespace, "-"
			if target.VirtualNodeRef.Namespace != nil {
				namespace = *target.VirtualNodeRef.Namespace
			}
			if target.Port != nil {
				port = sprintf("%d", *target.Port)
			}
			id := key(namespace, target.VirtualNodeRef.Name, port)
			if seen[id] {
				out = append(out, problem{path.Index(j), Deny, sprintf("the route names virtual node %q twice; write it once, with the sum of both weights", target.VirtualNodeRef.Name)})
			}
			seen[id] = true
		}
	}
	return out
}

// weightedTargets gives the targets of a route, whatever its protocol, and where they are.
func weightedTargets(path *field.Path, route appmeshv1beta2.Route) (*field.Path, []appmeshv1beta2.WeightedTarget) {
	switch {
	case route.HTTPRoute != nil:
		return path.Child("httpRoute", "action", "weightedTargets"), route.HTTPRoute.Action.WeightedTargets
	case route.HTTP2Route != nil:
		return path.Child("http2Route", "action", "weightedTargets"), route.HTTP2Route.Action.WeightedTargets
	case route.GRPCRoute != nil:
		return path.Child("grpcRoute", "action", "weightedTargets"), route.GRPCRoute.Action.WeightedTargets
	case route.TCPRoute != nil:
		return path.Child("tcpRoute", "action", "weightedTargets"), route.TCPRoute.Action.WeightedTargets
	}
	return path, nil
}
