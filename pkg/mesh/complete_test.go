package mesh_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/snapshot"
)

const (
	oneMesh   = "kind: Mesh\nmetadata: {name: m}\nspec: {namespaceSelector: {matchLabels: {mesh: m}}}\n"
	otherMesh = "kind: Mesh\nmetadata: {name: o}\nspec: {namespaceSelector: {matchLabels: {mesh: o}}}\n"
	webNode   = "kind: VirtualNode\nmetadata: {name: web, namespace: demo}\n" +
		"spec: {listeners: [{portMapping: {port: 8080, protocol: http}}], serviceDiscovery: {dns: {hostname: web.demo.svc.cluster.local}}}\n"
	webService = "kind: Service\nmetadata: {name: web, namespace: demo}\nspec: {selector: {app: web}, ports: [{port: 8080}]}\n"
)

// TestComplete: what files lack is assumed where there is only one thing to assume, and told.
func TestComplete(t *testing.T) {
	tests := map[string]struct {
		files []string
		// want are all remarks and problems, as far as it matters.
		want []string
	}{
		"a namespace that no file has is the only Mesh's": {
			[]string{oneMesh, webNode, webService}, []string{`Namespace//demo: metadata.labels: Required value: no file has the namespace`},
		},
		"a namespace in a file has its own labels": {
			[]string{oneMesh, webNode, webService, "kind: Namespace\nmetadata: {name: demo, labels: {mesh: none}}\n"},
			[]string{`VirtualNode/demo/web: spec.meshRef: Required value: the namespaceSelector of no Mesh takes namespace "demo"`},
		},
		"a namespace has the label of its name": {
			[]string{strings.ReplaceAll(oneMesh, "mesh: m}", "kubernetes.io/metadata.name: demo}"), webNode, webService, "kind: Namespace\nmetadata: {name: demo}\n"}, nil,
		},
		"and no other name": {
			[]string{strings.ReplaceAll(oneMesh, "mesh: m}", "kubernetes.io/metadata.name: prod}"), webNode, webService},
			[]string{`VirtualNode/demo/web: spec.meshRef: Required value: the namespaceSelector of no Mesh takes namespace "demo"`},
		},
		"expressions are satisfied too": {
			[]string{strings.ReplaceAll(oneMesh, "matchLabels: {mesh: m}", "matchExpressions: [{key: mesh, operator: In, values: [a, b]}, {key: x, operator: Exists}]"), webNode, webService},
			[]string{`Namespace//demo`},
		},
		"of two Meshes none is assumed": {
			[]string{oneMesh, otherMesh, webNode, webService},
			[]string{`VirtualNode/demo/web: spec.meshRef: Required value: the namespaceSelector of no Mesh takes namespace "demo"`},
		},
		"a meshRef needs no namespace": {
			[]string{oneMesh, strings.ReplaceAll(webNode, "spec: {", "spec: {meshRef: {name: m, uid: u}, "), webService}, nil,
		},
		"the only gateway takes the routes of such a namespace": {
			[]string{oneMesh, webNode, webService,
				"kind: VirtualGateway\nmetadata: {name: in, namespace: edge}\nspec: {meshRef: {name: m, uid: u}, namespaceSelector: {matchLabels: {gateway: in}}, listeners: [{portMapping: {port: 80, protocol: http}}]}\n",
				"kind: VirtualService\nmetadata: {name: web, namespace: demo}\nspec: {provider: {virtualNode: {virtualNodeRef: {name: web}}}}\n",
				"kind: GatewayRoute\nmetadata: {name: r, namespace: demo}\nspec: {httpRoute: {match: {prefix: /}, action: {target: {virtualService: {virtualServiceRef: {name: web}}}}}}\n",
			}, []string{`Namespace//demo`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := snapshot.Parse([]byte(strings.Join(tc.files, "---\n")))
			if err != nil {
				t.Fatal(err)
			}
			before, err := snapshot.Parse([]byte(strings.Join(tc.files, "---\n")))
			if err != nil {
				t.Fatal(err)
			}
			complete, got := mesh.Complete(s)
			_, problems := mesh.Build(complete)
			got = append(got, problems...)
			if len(got) != len(tc.want) {
				t.Fatalf("got %v, want %d", got, len(tc.want))
			}
			for i, p := range got {
				if line := p.Object.String() + ": " + p.Err.Error(); !strings.HasPrefix(line, tc.want[i]) {
					t.Errorf("got %q, want %q", line, tc.want[i])
				}
			}
			if !reflect.DeepEqual(s, before) {
				t.Error("the snapshot changed")
			}
		})
	}
}

// TestCompleteAsksDNS: endpoints are known where a file has them, and else proxies ask DNS.
func TestCompleteAsksDNS(t *testing.T) {
	slice := "kind: EndpointSlice\nmetadata: {name: web-1, namespace: demo, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\n" +
		"ports: [{port: 8080, protocol: TCP}]\nendpoints: [{addresses: [10.0.0.1]}]\n"
	for name, tc := range map[string]struct {
		files []string
		dns   bool
	}{
		"with EndpointSlices":    {[]string{oneMesh, webNode, webService, slice}, false},
		"without EndpointSlices": {[]string{oneMesh, webNode, webService}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := snapshot.Parse([]byte(strings.Join(tc.files, "---\n")))
			if err != nil {
				t.Fatal(err)
			}
			s, _ = mesh.Complete(s)
			m, _ := mesh.Build(s)
			if len(m.Clusters) != 1 || (m.Clusters[0].DNS != nil) != tc.dns {
				t.Errorf("clusters %+v, want one that asks DNS: %v", m.Clusters, tc.dns)
			}
		})
	}
}
