package mesh

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Add puts an object into the list of its kind. What a snapshot has no list for is left out.
func (s *Snapshot) Add(object any) {
	switch o := object.(type) {
	case *appmeshv1beta2.Mesh:
		s.Meshes = append(s.Meshes, o)
	case *appmeshv1beta2.VirtualNode:
		s.VirtualNodes = append(s.VirtualNodes, o)
	case *appmeshv1beta2.VirtualService:
		s.VirtualServices = append(s.VirtualServices, o)
	case *appmeshv1beta2.VirtualRouter:
		s.VirtualRouters = append(s.VirtualRouters, o)
	case *appmeshv1beta2.VirtualGateway:
		s.VirtualGateways = append(s.VirtualGateways, o)
	case *appmeshv1beta2.GatewayRoute:
		s.GatewayRoutes = append(s.GatewayRoutes, o)
	case *appmeshv1beta2.BackendGroup:
		s.BackendGroups = append(s.BackendGroups, o)
	case *corev1.Namespace:
		s.Namespaces = append(s.Namespaces, o)
	case *corev1.Service:
		s.Services = append(s.Services, o)
	case *discoveryv1.EndpointSlice:
		s.EndpointSlices = append(s.EndpointSlices, o)
	case *corev1.Pod:
		s.Pods = append(s.Pods, PodOf(o))
	}
}
