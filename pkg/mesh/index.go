package mesh

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Kinds as they appear in an ObjectRef.
const (
	KindMesh           = "Mesh"
	KindVirtualNode    = "VirtualNode"
	KindVirtualService = "VirtualService"
	KindVirtualRouter  = "VirtualRouter"
	KindVirtualGateway = "VirtualGateway"
	KindGatewayRoute   = "GatewayRoute"
	KindBackendGroup   = "BackendGroup"
)

const defaultClusterDomain = "cluster.local"

// index finds the snapshot's objects by name. Every list is sorted by name.
type index struct {
	clusterDomain string

	meshes       []*appmeshv1beta2.Mesh
	nodeList     []*appmeshv1beta2.VirtualNode
	serviceList  []*appmeshv1beta2.VirtualService
	routerList   []*appmeshv1beta2.VirtualRouter
	gatewayList  []*appmeshv1beta2.VirtualGateway
	routeList    []*appmeshv1beta2.GatewayRoute
	groups       map[ObjectRef]*appmeshv1beta2.BackendGroup
	meshByName   map[string]*appmeshv1beta2.Mesh
	serviceByRef map[ObjectRef]*appmeshv1beta2.VirtualService

	namespaces map[string]labels.Set
	services   map[ServiceRef]*corev1.Service
}

func indexOf(s Snapshot) *index {
	x := &index{
		clusterDomain: cmp.Or(strings.Trim(s.ClusterDomain, "."), defaultClusterDomain),
		meshes:        sorted(s.Meshes),
		nodeList:      sorted(s.VirtualNodes),
		serviceList:   sorted(s.VirtualServices),
		routerList:    sorted(s.VirtualRouters),
		gatewayList:   sorted(s.VirtualGateways),
		routeList:     sorted(s.GatewayRoutes),
		groups:        map[ObjectRef]*appmeshv1beta2.BackendGroup{},
		meshByName:    map[string]*appmeshv1beta2.Mesh{},
		serviceByRef:  map[ObjectRef]*appmeshv1beta2.VirtualService{},
		namespaces:    map[string]labels.Set{},
		services:      servicesOf(s),
	}
	for _, m := range x.meshes {
		x.meshByName[m.Name] = m
	}
	for _, v := range x.serviceList {
		x.serviceByRef[refOf(KindVirtualService, v)] = v
	}
	for _, g := range sorted(s.BackendGroups) {
		x.groups[refOf(KindBackendGroup, g)] = g
	}
	for _, n := range sorted(s.Namespaces) {
		x.namespaces[n.Name] = labels.Set(n.Labels)
	}
	return x
}

func servicesOf(s Snapshot) map[ServiceRef]*corev1.Service {
	services := map[ServiceRef]*corev1.Service{}
	for _, svc := range sorted(s.Services) {
		services[ServiceRef{Namespace: svc.Namespace, Name: svc.Name}] = svc
	}
	return services
}

func serviceOf(slice *discoveryv1.EndpointSlice) ServiceRef {
	return ServiceRef{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}

// sorted copies a list without its nils, by namespace and name: the order of a snapshot's lists must not matter. Of two
// objects with one name, which an API server never has, the first is kept.
func sorted[T any, P interface {
	*T
	metav1.Object
}](list []P) []P {
	out := make([]P, 0, len(list))
	for _, o := range list {
		if o != nil {
			out = append(out, o)
		}
	}
	order := func(a, b P) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	}
	slices.SortStableFunc(out, order)
	return slices.CompactFunc(out, func(a, b P) bool { return order(a, b) == 0 })
}

func refOf(kind string, o metav1.Object) ObjectRef {
	return ObjectRef{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// refTo resolves a reference whose namespace defaults to that of the referencing object.
func refTo(kind string, namespace *string, name string, from ObjectRef) ObjectRef {
	ref := ObjectRef{Kind: kind, Namespace: from.Namespace, Name: name}
	if namespace != nil && *namespace != "" {
		ref.Namespace = *namespace
	}
	return ref
}

func stringOr(p *string, fallback string) string {
	if p == nil || *p == "" {
		return fallback
	}
	return *p
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
