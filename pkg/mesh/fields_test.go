package mesh

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// TestNoFieldIsSilent holds every field of the API against a list: what we honour, what we say that we do not, and what
// is somebody else's. A new field fails here until somebody decides.
func TestNoFieldIsSilent(t *testing.T) {
	used := map[string]bool{}
	for kind, spec := range map[string]any{
		KindMesh: appmeshv1beta2.MeshSpec{}, KindVirtualNode: appmeshv1beta2.VirtualNodeSpec{},
		KindVirtualService: appmeshv1beta2.VirtualServiceSpec{}, KindVirtualRouter: appmeshv1beta2.VirtualRouterSpec{},
		KindVirtualGateway: appmeshv1beta2.VirtualGatewaySpec{}, KindGatewayRoute: appmeshv1beta2.GatewayRouteSpec{},
		KindBackendGroup: appmeshv1beta2.BackendGroupSpec{},
	} {
		for _, path := range leaves(kind, reflect.TypeOf(spec)) {
			i := slices.IndexFunc(fates, func(f fate) bool { return f.takes(path) })
			if i < 0 {
				t.Errorf("%s: nobody decided whether it is honoured; honour it, or report it and list it here", path)
				continue
			}
			used[fates[i].path] = true
		}
	}
	for _, f := range fates {
		if !used[f.path] {
			t.Errorf("%s: no field of the API is called so, or an earlier line takes it", f.path)
		}
	}
}

// fate is what becomes of a field and all below it. A path that starts with a dot is the end of one, in any kind.
type fate struct {
	path string
	// reported is set if a Problem says that the field does nothing.
	reported bool
}

func (f fate) takes(path string) bool {
	if strings.HasPrefix(f.path, ".") {
		return strings.HasSuffix(path, f.path) || strings.Contains(path, f.path+".")
	}
	return path == f.path || strings.HasPrefix(path, f.path+".")
}

// The first line that fits decides.
var fates = []fate{
	{path: "Mesh.meshOwner", reported: true},
	{path: "VirtualGateway.listeners.healthCheck", reported: true},
	{path: ".listeners.tls", reported: true},
	{path: ".clientPolicy", reported: true},

	// A Mesh or gateway that was made anew keeps its members.
	{path: ".meshRef.uid"},
	{path: ".virtualGatewayRef.uid"},
	// Admission binds pods, and virtual nodes in Cloud Map are found by it.
	{path: ".podSelector"},
	// Nothing is named after this.
	{path: "GatewayRoute.awsName"},

	{path: ".awsName"},
	{path: ".meshRef.name"},
	{path: "Mesh.namespaceSelector"},
	{path: "Mesh.egressFilter"},
	{path: "Mesh.meshServiceDiscovery"},
	{path: ".listeners.portMapping"},
	{path: "VirtualNode.listeners.healthCheck"},
	{path: "VirtualNode.listeners.outlierDetection"},
	{path: ".listeners.connectionPool"},
	{path: "VirtualNode.listeners.timeout"},
	{path: "VirtualNode.serviceDiscovery"},
	{path: "VirtualNode.backends.virtualService"},
	{path: "VirtualNode.backendGroups"},
	{path: ".logging"},
	{path: "VirtualService.provider"},
	{path: "VirtualRouter.routes"},
	{path: "VirtualGateway.namespaceSelector"},
	{path: "VirtualGateway.gatewayRouteSelector"},
	{path: "GatewayRoute.virtualGatewayRef"},
	{path: "GatewayRoute.priority"},
	{path: "GatewayRoute.grpcRoute"},
	{path: "GatewayRoute.httpRoute"},
	{path: "GatewayRoute.http2Route"},
	{path: "BackendGroup.virtualservices"},
}

// leaves lists the fields below a type by their JSON names. Selectors count as one field.
func leaves(path string, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[metav1.LabelSelector]() {
		return []string{path}
	}
	var out []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, leaves(path+"."+name, t.Field(i).Type)...)
	}
	return out
}
