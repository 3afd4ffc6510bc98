package mesh_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// TestClustersOfANode holds that a release's two versions are apart wherever somebody calls them: each caller has the
// clusters under the names that the nodes' listeners give.
func TestClustersOfANode(t *testing.T) {
	m, _ := mesh.Build(shopSnapshot("http", 5))
	node := func(name string) mesh.ObjectRef {
		return mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: "demo", Name: name}
	}
	cluster := func(name string) string {
		own := m.Node(mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: name})
		return mesh.NodeListener{Mesh: own.Mesh, Node: own.Name, Protocol: mesh.HTTP, Port: 8080}.EgressCluster()
	}
	got := m.ClustersOf(map[mesh.ObjectRef]bool{node("a"): true, node("b"): true, node("nowhere"): true})
	want := map[string]mesh.ObjectRef{cluster("a"): node("a"), cluster("b"): node("b")}
	if diff := cmp.Diff(want, got); diff != "" || cluster("a") == cluster("b") {
		t.Fatalf("-want +got:\n%s", diff)
	}
	callers := map[string]bool{}
	for _, id := range m.Proxies() {
		for _, c := range translate(t, m, id).Clusters {
			if got[c.GetName()] == node("b") {
				callers[id.Name] = true
			}
		}
	}
	if diff := cmp.Diff(map[string]bool{"caller": true, "edge": true}, callers); diff != "" {
		t.Errorf("who has the cluster of b (-want +got):\n%s", diff)
	}
}
