package validate

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// bond is what binds one object to another.
type bond string

const (
	releases  bond = "releases" // a Canary its target
	scales    bond = "scales"   // an autoscaler its workload
	scaledBy  bond = "scaledBy" // a Canary the autoscaler that it names
	reaches   bond = "reaches"  // a Canary the Services that it makes
	measures  bond = "measures" // a Canary a MetricTemplate
	alerts    bond = "alerts"   // a Canary an AlertProvider
	calls     bond = "calls"    // an object of the mesh the virtual services that it makes known to proxies
	labelled  bond = "labelled" // a workload each label of its pods
	leadsTo   bond = "leadsTo"  // a VirtualService or VirtualRouter the virtual nodes that it names
	selecting bond = "selects"  // a VirtualNode or a PodDisruptionBudget each label that it selects pods by
	inside    bond = "inside"   // anything its namespace
	reads     bond = "reads"    // a workload the ConfigMaps and Secrets of its pods
	spelled   bond = "spelled"  // an object of the mesh the name that ARNs have for it
	among     bond = "among"    // a VirtualGateway all of the cluster, since routes of any namespace may belong to it
	itself    bond = "itself"   // anything its own name; kept by a Ledger, not by an Index
)

// relations lists what an object is bound to. What an index finds by a relation is what this says of the objects in it.
func relations(kind string, object metav1.Object) []Relation {
	to := func(by bond, end string) Relation { return Relation{Kind: kind, by: by, to: end} }
	out := []Relation{to(inside, object.GetNamespace())}
	if name := mesh.NameOf(object); name != "" {
		out = append(out, to(spelled, name))
	}
	switch o := object.(type) {
	case *appmeshv1beta2.VirtualGateway:
		out = append(out, to(among, ""))
	case *canaryv1beta1.Canary:
		out = append(out, to(releases, targetOf(o).key()))
		for _, name := range servicesOf(o) {
			out = append(out, to(reaches, key(o.Namespace, name)))
		}
		if ref := o.Spec.AutoscalerRef; ref != nil {
			out = append(out, to(scaledBy, key(ref.Kind, o.Namespace, ref.Name)))
		}
		for _, ref := range templatesOf(o) {
			out = append(out, to(measures, key(ref.Namespace, ref.Name)))
		}
		for _, ref := range alertProvidersOf(o) {
			out = append(out, to(alerts, key(ref.Namespace, ref.Name)))
		}
		for _, service := range callsOf(o) {
			out = append(out, to(calls, service))
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		out = append(out, to(scales, scaledByHPA(o).key()))
	case *ScaledObject:
		out = append(out, to(scales, scaledByKEDA(o).key()))
	case *VerticalPodAutoscaler:
		out = append(out, to(scales, scaledByVPA(o).key()))
	case *appsv1.Deployment, *appsv1.DaemonSet:
		for _, ref := range podsOf(o).configsOf() {
			out = append(out, to(reads, key(ref.Kind, object.GetNamespace(), ref.Name)))
		}
		for _, label := range pairs(object.GetNamespace(), podsOf(o).template.Labels) {
			out = append(out, to(labelled, label))
		}
	case *appmeshv1beta2.VirtualService, *appmeshv1beta2.VirtualRouter:
		for _, node := range nodesOf(o) {
			out = append(out, to(leadsTo, node))
		}
	case *policyv1.PodDisruptionBudget:
		if o.Spec.Selector != nil {
			for _, label := range pairs(o.Namespace, o.Spec.Selector.MatchLabels) {
				out = append(out, to(selecting, label))
			}
		}
	case *appmeshv1beta2.VirtualNode, *appmeshv1beta2.BackendGroup, *appmeshv1beta2.GatewayRoute:
		for _, service := range callsOf(o) {
			out = append(out, to(calls, service))
		}
		if node, ok := o.(*appmeshv1beta2.VirtualNode); ok && node.Spec.PodSelector != nil {
			for _, label := range pairs(node.Namespace, node.Spec.PodSelector.MatchLabels) {
				out = append(out, to(selecting, label))
			}
		}
	}
	return out
}

// key joins the parts of a name; none of them can hold a slash.
func key(parts ...string) string { return strings.Join(parts, "/") }

// pairs are the labels of a namespace's objects, one by one.
func pairs(namespace string, labels map[string]string) []string {
	var out []string
	for name, value := range labels {
		out = append(out, strings.Join([]string{namespace, name, value}, " ")) // names of labels have slashes
	}
	slices.Sort(out)
	return out
}

// servicesOf are the names of the Services and of the objects of the mesh that a Canary makes.
func servicesOf(c *canaryv1beta1.Canary) []string {
	apex := engine.Apex(c)
	return []string{apex, apex + "-primary", apex + "-canary"}
}

// templatesOf are the MetricTemplates of a Canary, with their namespaces.
func templatesOf(canary *canaryv1beta1.Canary) []canaryv1beta1.CrossNamespaceObjectReference {
	var out []canaryv1beta1.CrossNamespaceObjectReference
	if analysis := canary.Spec.Analysis; analysis != nil {
		for _, metric := range analysis.Metrics {
			if metric.TemplateRef != nil {
				out = append(out, inNamespace(*metric.TemplateRef, canary.Namespace))
			}
		}
	}
	return out
}

// alertProvidersOf are the AlertProviders of a Canary, with their namespaces.
func alertProvidersOf(canary *canaryv1beta1.Canary) []canaryv1beta1.CrossNamespaceObjectReference {
	var out []canaryv1beta1.CrossNamespaceObjectReference
	if analysis := canary.Spec.Analysis; analysis != nil {
		for _, alert := range analysis.Alerts {
			out = append(out, inNamespace(alert.ProviderRef, canary.Namespace))
		}
	}
	return out
}

// inNamespace completes a reference with the namespace that it means when it names none.
func inNamespace(ref canaryv1beta1.CrossNamespaceObjectReference, namespace string) canaryv1beta1.CrossNamespaceObjectReference {
	if ref.Namespace == "" {
		ref.Namespace = namespace
	}
	return ref
}

// find gives an object as its type; nil when it is not there.
func find[T any](w World, kind, namespace, name string) *T {
	if w.Cluster == nil {
		return nil
	}
	object, _ := any(w.Cluster.Object(mesh.ObjectRef{Kind: kind, Namespace: namespace, Name: name})).(*T)
	return object
}

// related gives the objects that have a relation, as their type.
func related[T any](w World, kind string, by bond, to string) []*T {
	if w.Cluster == nil {
		return nil
	}
	var out []*T
	for _, object := range w.Cluster.Related(Relation{Kind: kind, by: by, to: to}) {
		if typed, ok := any(object).(*T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// sharing gives the objects that have one of several relations, each once, less what is on its way out.
func sharing[T any](w World, kind string, by bond, ends []string) []*T {
	var out []*T
	seen := map[*T]bool{}
	for _, end := range ends {
		for _, object := range staying[T](w, kind, by, end) {
			if !seen[object] {
				seen[object] = true
				out = append(out, object)
			}
		}
	}
	return out
}

// staying is related less what is on its way out.
func staying[T any](w World, kind string, by bond, to string) []*T {
	return slices.DeleteFunc(related[T](w, kind, by, to), func(object *T) bool {
		o, ok := any(object).(metav1.Object)
		return ok && o.GetDeletionTimestamp() != nil
	})
}

// object finds an object of any kind; nil when it is not there.
func (w World) object(kind, namespace, name string) metav1.Object {
	if w.Cluster == nil {
		return nil
	}
	return w.Cluster.Object(mesh.ObjectRef{Kind: kind, Namespace: namespace, Name: name})
}

// everywhere stands for all namespaces, and for the one of what is in none.
const everywhere = ""

// knows tells whether what is not found of a kind in a namespace does not exist.
func (w World) knows(kind, namespace string) bool {
	if of, ok := w.Cluster.(limited); ok && !of.holds(kind, namespace) {
		return false
	}
	return w.Cluster != nil && w.Cluster.Knows(kind)
}

// limited is a Cluster that may hold some namespaces only, besides what is in none.
type limited interface {
	holds(kind, namespace string) bool
}
