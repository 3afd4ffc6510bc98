package validate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// DesignateMesh picks the mesh of a namespace: the one whose namespaceSelector matches its labels (AM016).
// The warnings name meshes whose selector cannot be read; these select nothing, and stop nobody else.
func DesignateMesh(namespace string, world World) (mesh *appmeshv1beta2.Mesh, warnings []string, err error) {
	var found []*appmeshv1beta2.Mesh
	for _, candidate := range world.Meshes {
		ok, err := selects(candidate.Spec.NamespaceSelector, world.NamespaceLabels)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("Mesh %q selects no namespace: its namespaceSelector cannot be read: %v", candidate.Name, err))
		}
		if ok {
			found = append(found, candidate)
		}
	}
	slices.SortFunc(found, func(a, b *appmeshv1beta2.Mesh) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(warnings)
	switch len(found) {
	case 0:
		return nil, warnings, fmt.Errorf("failed to find matching mesh for namespace: %s, expecting 1 but found 0", namespace)
	case 1:
	default:
		names := make([]string, len(found))
		for i, mesh := range found {
			names[i] = mesh.Name
		}
		return nil, warnings, fmt.Errorf("found multiple matching meshes for namespace: %s, expecting 1 but found %d: %s",
			namespace, len(found), strings.Join(names, ","))
	}
	if found[0].DeletionTimestamp != nil {
		return nil, warnings, fmt.Errorf("unable to create new content in mesh %s because it is being terminated", found[0].Name)
	}
	return found[0], warnings, nil
}

// DesignateVirtualGateway picks the gateway of a GatewayRoute: the one whose namespaceSelector matches the labels of
// the namespace and whose gatewayRouteSelector, if it has one, matches the labels of the route (AM017).
func DesignateVirtualGateway(route metav1.ObjectMeta, world World) (*appmeshv1beta2.VirtualGateway, []string, error) {
	var (
		found    []*appmeshv1beta2.VirtualGateway
		warnings []string
	)
	for _, candidate := range world.VirtualGateways {
		inNamespace, err := selects(candidate.Spec.NamespaceSelector, world.NamespaceLabels)
		ofRoute := true // no selector takes every route, unlike the other selectors, of which none takes nothing
		if err == nil && candidate.Spec.GatewayRouteSelector != nil {
			ofRoute, err = selects(candidate.Spec.GatewayRouteSelector, route.Labels)
		}
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("VirtualGateway %q in namespace %q takes no route: a selector cannot be read: %v", candidate.Name, candidate.Namespace, err))
		}
		if err == nil && inNamespace && ofRoute {
			found = append(found, candidate)
		}
	}
	slices.SortFunc(found, func(a, b *appmeshv1beta2.VirtualGateway) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(warnings)
	switch len(found) {
	case 0:
		return nil, warnings, fmt.Errorf("failed to find matching virtualGateway for gatewayRoute: %s, expecting 1 but found 0", route.Name)
	case 1:
		return found[0], warnings, nil
	}
	names := make([]string, len(found))
	for i, gateway := range found {
		names[i] = gateway.Name
	}
	return nil, warnings, fmt.Errorf("found multiple matching virtualGateways for gatewayRoute: %s, expecting 1 but found %d: %s",
		route.Name, len(found), strings.Join(names, ","))
}

// selects matches as Kubernetes does: no selector matches nothing, an empty one everything.
func selects(selector *metav1.LabelSelector, of map[string]string) (bool, error) {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return false, err
	}
	return s.Matches(labels.Set(of)), nil
}
