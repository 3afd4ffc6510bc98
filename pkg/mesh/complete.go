package mesh

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Complete adds to a snapshot that was read from files what only a cluster would have added, so that Build can make
// the best of it. What is assumed about a namespace comes back as a remark. The snapshot it is given stays as it is.
//
//   - Every namespace has the label of its name.
//   - A namespace that no file describes has the labels that the only Mesh, and the only VirtualGateway, select it by.
//   - A Service without EndpointSlices is one whose pods nobody knows: proxies are to ask DNS, as for any other name.
func Complete(s Snapshot) (Snapshot, []Problem) {
	described := map[string]bool{}
	var namespaces []*corev1.Namespace
	for _, n := range sorted(s.Namespaces) {
		described[n.Name] = true
		namespaces = append(namespaces, namespaceWith(n.Name, n.Labels))
	}
	var remarks []Problem
	for _, name := range homeless(s, described) {
		assumed, remark := assumedNamespace(s, name)
		namespaces = append(namespaces, assumed)
		if remark != nil {
			remarks = append(remarks, *remark)
		}
	}
	s.Namespaces = namespaces
	s.Services = withoutPods(s)
	return s, remarks
}

// homeless lists the namespaces that no file describes although their labels would decide what their objects belong to.
func homeless(s Snapshot, described map[string]bool) []string {
	found := map[string]bool{}
	look := func(o metav1.Object, asks bool) {
		if asks && !described[o.GetNamespace()] {
			found[o.GetNamespace()] = true
		}
	}
	for _, v := range sorted(s.VirtualNodes) {
		look(v, v.Spec.MeshRef == nil)
	}
	for _, v := range sorted(s.VirtualServices) {
		look(v, v.Spec.MeshRef == nil || v.Annotations[appmeshv1beta2.AnnotationGatewayExpose] == "true")
	}
	for _, v := range sorted(s.VirtualRouters) {
		look(v, v.Spec.MeshRef == nil)
	}
	for _, v := range sorted(s.VirtualGateways) {
		look(v, v.Spec.MeshRef == nil)
	}
	for _, v := range sorted(s.GatewayRoutes) {
		look(v, v.Spec.VirtualGatewayRef == nil)
	}
	return slices.Sorted(maps.Keys(found))
}

// assumedNamespace gives a namespace the labels that it needs to be where it most likely is. With several meshes that
// would be a guess, so it gets none, and Build says what is missing.
func assumedNamespace(s Snapshot, name string) (*corev1.Namespace, *Problem) {
	meshes, gateways := sorted(s.Meshes), sorted(s.VirtualGateways)
	if len(meshes) != 1 {
		return namespaceWith(name, nil), nil
	}
	m := meshes[0]
	set := satisfying(m.Spec.NamespaceSelector)
	if len(gateways) == 1 {
		maps.Copy(set, satisfying(gateways[0].Spec.NamespaceSelector))
	}
	assumed := namespaceWith(name, set)
	if !selects(m.Spec.NamespaceSelector, labels.Set(assumed.Labels)) {
		return namespaceWith(name, nil), nil
	}
	return assumed, &Problem{
		Object: ObjectRef{Kind: "Namespace", Name: name}, Reason: ReasonAssumed,
		Err: field.Required(field.NewPath("metadata", "labels"), fmt.Sprintf(
			"no file has the namespace, so it is taken to be one that the only Mesh, %q, selects; add it to the files to have its own labels count", m.Name)),
	}
}

// namespaceWith has the label that the API server gives every namespace, whatever else it is said to have.
func namespaceWith(name string, set map[string]string) *corev1.Namespace {
	all := map[string]string{}
	maps.Copy(all, set)
	all[corev1.LabelMetadataName] = name
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: all}}
}

// satisfying gives labels that a selector takes, unless it also asks that some be absent.
func satisfying(selector *metav1.LabelSelector) map[string]string {
	set := map[string]string{}
	if selector == nil {
		return set
	}
	for _, e := range selector.MatchExpressions {
		switch {
		case e.Operator == metav1.LabelSelectorOpIn && len(e.Values) > 0:
			set[e.Key] = e.Values[0]
		case e.Operator == metav1.LabelSelectorOpExists:
			set[e.Key] = ""
		}
	}
	maps.Copy(set, selector.MatchLabels)
	return set
}

// withoutPods copies the Services; those without EndpointSlices become names that DNS is asked for.
func withoutPods(s Snapshot) []*corev1.Service {
	sliced := map[ServiceRef]bool{}
	for _, slice := range sorted(s.EndpointSlices) {
		sliced[serviceOf(slice)] = true
	}
	var out []*corev1.Service
	for _, svc := range sorted(s.Services) {
		if !sliced[ServiceRef{Namespace: svc.Namespace, Name: svc.Name}] {
			svc = svc.DeepCopy()
			svc.Spec.Type, svc.Spec.Selector = corev1.ServiceTypeExternalName, nil
		}
		out = append(out, svc)
	}
	return out
}
