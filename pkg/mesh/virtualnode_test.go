package mesh_test

import (
	"strings"
	"testing"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/snapshot"
)

// TestDiscoveryDoesNotWaitForServices: what kind of cluster a virtual node is must be the same before and after its Service
// and its pods are there, because an Envoy that is just starting does not survive the change.
func TestDiscoveryDoesNotWaitForServices(t *testing.T) {
	for hostname, dns := range map[string]bool{
		"web.demo.svc.cluster.local":  false,
		"web.demo.svc.cluster.local.": false,
		"web.demo.svc":                false,
		"web.demo":                    false,
		"web":                         false,
		"api.example.com":             true,
		"example.com":                 true,
	} {
		t.Run(hostname, func(t *testing.T) {
			namespace := "kind: Namespace\nmetadata: {name: demo, labels: {mesh: m}}\n"
			node := strings.ReplaceAll(webNode, "web.demo.svc.cluster.local", hostname)
			selectorless := strings.ReplaceAll(webService, "selector: {app: web}, ", "")
			for _, service := range []string{"", selectorless, webService} {
				s, err := snapshot.Parse([]byte(strings.Join([]string{namespace, oneMesh, node, service}, "---\n")))
				if err != nil {
					t.Fatal(err)
				}
				m, _ := mesh.Build(s)
				if len(m.Clusters) != 1 || (m.Clusters[0].DNS != nil) != dns {
					t.Errorf("with %q the clusters are %+v, want DNS: %v", service, m.Clusters, dns)
				}
			}
		})
	}
}
