package mesh

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Snapshot is everything that Build looks at: lists of objects, each decoded on its own by whoever fills it, so that
// one object that does not decode costs only itself. Build changes none of them.
type Snapshot struct {
	// ClusterDomain is the DNS domain of the cluster; empty means cluster.local.
	ClusterDomain string
	// IPv6 says that the cluster gives its pods IPv6 addresses.
	IPv6 bool

	Meshes          []*appmeshv1beta2.Mesh
	VirtualNodes    []*appmeshv1beta2.VirtualNode
	VirtualServices []*appmeshv1beta2.VirtualService
	VirtualRouters  []*appmeshv1beta2.VirtualRouter
	VirtualGateways []*appmeshv1beta2.VirtualGateway
	GatewayRoutes   []*appmeshv1beta2.GatewayRoute
	BackendGroups   []*appmeshv1beta2.BackendGroup

	// Namespaces are needed for their names and labels only.
	Namespaces     []*corev1.Namespace
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	// Pods may be left out unless NeedsPods.
	Pods []*Pod
}
