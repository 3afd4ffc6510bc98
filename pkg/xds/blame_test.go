package xds

import (
	"strings"
	"testing"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func ref(text string) mesh.ObjectRef {
	var out mesh.ObjectRef
	if err := out.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return out
}

func refs(texts ...string) []mesh.ObjectRef {
	var out []mesh.ObjectRef
	for _, text := range texts {
		out = append(out, ref(text))
	}
	return out
}

// blameModel is a caller of two services over HTTP and one over TCP, and a gateway to the two.
func blameModel() *mesh.Model {
	port := func(n uint32, p mesh.Protocol, cluster, router string) mesh.ServicePort {
		return mesh.ServicePort{Port: n, Protocol: p, Routes: []mesh.Route{{
			Name: "all", Targets: []mesh.Target{{Cluster: cluster, Weight: 1}}, Sources: refs(router),
		}}}
	}
	service := func(name string, p mesh.ServicePort) mesh.Service {
		return mesh.Service{ID: ref("VirtualService/demo/" + name), Name: name + ".demo", Ports: []mesh.ServicePort{p},
			Sources: append(refs("VirtualService/demo/"+name), p.Routes[0].Sources...)}
	}
	services := []mesh.Service{
		service("db", port(5432, mesh.TCP, "cds_egress_m_db_tcp_5432", "VirtualRouter/demo/db")),
		service("shop", port(8080, mesh.HTTP, "cds_egress_m_shop_http_8080", "VirtualRouter/demo/shop")),
		service("shop-2", port(8080, mesh.HTTP, "cds_egress_m_shop-2_http_8080", "VirtualRouter/demo/shop-2")),
	}
	return &mesh.Model{
		Nodes: []mesh.Node{{ID: mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}, Egress: []mesh.EgressPort{
			{Port: 5432, Protocol: mesh.TCP, Hosts: []mesh.EgressHost{{Service: services[0].ID}}},
			{Port: 8080, Protocol: mesh.HTTP, Hosts: []mesh.EgressHost{
				{Service: services[1].ID, Domains: []string{"shop.demo", "shop.demo:8080"}}, {Service: services[2].ID, Domains: []string{"shop-2.demo"}},
			}},
		}}},
		Gateways: []mesh.Gateway{{ID: mesh.ProxyID{Kind: mesh.ProxyVirtualGateway, Namespace: "demo", Name: "edge"}, Listeners: []mesh.GatewayListener{{
			Port: 80, Protocol: mesh.HTTP, Hosts: []mesh.GatewayHost{
				{Domains: []string{"shop.example.com"}, Routes: []mesh.Route{{Name: "demo/shop/all", Sources: refs("GatewayRoute/demo/shop", "VirtualRouter/demo/shop")}}},
				{Domains: []string{"*"}, Routes: []mesh.Route{{Name: "demo/rest/all", Sources: refs("GatewayRoute/demo/rest")}}},
			},
		}}}},
		Services: services,
		Clusters: []mesh.Cluster{{Name: "cds_egress_m_shop_http_8080", Sources: refs("VirtualNode/demo/shop")}},
	}
}

// The sentences are Envoy's own, with our names.
func TestBlame(t *testing.T) {
	node := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}
	gateway := mesh.ProxyID{Kind: mesh.ProxyVirtualGateway, Namespace: "demo", Name: "edge"}
	cases := map[string]struct {
		refusal Refusal
		want    []mesh.ObjectRef
	}{
		"a listener is its node's": {
			Refusal{node, resource.ListenerType, "lds_ingress_0.0.0.0_15000", "Error adding/updating listener(s) lds_ingress_0.0.0.0_15000: no such file"},
			refs("VirtualNode/demo/web"),
		},
		"the egress listener is also that of the services that it leads to itself": {
			Refusal{node, resource.ListenerType, "lds_egress_0.0.0.0_15001", "Error adding/updating listener(s) lds_egress_0.0.0.0_15001: bad"},
			refs("VirtualNode/demo/web", "VirtualRouter/demo/db", "VirtualService/demo/db"),
		},
		"a cluster in the sentence leads to its router": {
			Refusal{node, resource.ListenerType, "lds_egress_0.0.0.0_15001", "tcp_proxy: unknown cluster 'cds_egress_m_db_tcp_5432'"},
			refs("VirtualRouter/demo/db"),
		},
		"a route table is that of all its services": {
			Refusal{node, resource.RouteType, "rds_egress_http_8080", "Only a single wildcard domain is permitted in route rds_egress_http_8080"},
			refs("VirtualRouter/demo/shop", "VirtualRouter/demo/shop-2", "VirtualService/demo/shop", "VirtualService/demo/shop-2"),
		},
		"a domain in the sentence leads to its service, and not to one whose name begins alike": {
			Refusal{node, resource.RouteType, "rds_egress_http_8080", "Only unique values for domains are permitted. Duplicate entry of domain shop.demo in route rds_egress_http_8080"},
			refs("VirtualRouter/demo/shop", "VirtualService/demo/shop"),
		},
		"a gateway's table by domain": {
			Refusal{gateway, resource.RouteType, "rds_ingress_http_80", "Duplicate entry of domain shop.example.com"},
			refs("GatewayRoute/demo/shop", "VirtualRouter/demo/shop"),
		},
		"a gateway's listener": {
			Refusal{gateway, resource.ListenerType, "lds_ingress_0.0.0.0_80", "cannot bind '0.0.0.0:80': Permission denied"},
			refs("VirtualGateway/demo/edge"),
		},
		"a cluster is that of the virtual node it leads to": {
			Refusal{node, resource.ClusterType, "cds_egress_m_shop_http_8080", "Error adding/updating cluster(s) cds_egress_m_shop_http_8080: bad"},
			refs("VirtualNode/demo/shop"),
		},
		"its own cluster is the node's": {
			Refusal{node, resource.ClusterType, "cds_ingress_m_web_http_8080", "bad"},
			refs("VirtualNode/demo/web"),
		},
		"its own table too": {
			Refusal{node, resource.RouteType, "rds_ingress_http_8080", "bad"},
			refs("VirtualNode/demo/web"),
		},
		"a proxy that is not in the model any more": {
			Refusal{mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "gone"}, resource.ListenerType, "lds_ingress_0.0.0.0_15000", "bad"},
			nil,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := Blame(blameModel(), c.refusal)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, o := range got {
				if !strings.Contains(text(Origins(blameModel(), c.refusal)), o.String()) {
					t.Errorf("%s is blamed for what it has no part in", o)
				}
			}
		})
	}
}

func text(refs []mesh.ObjectRef) string {
	var words []string
	for _, r := range refs {
		words = append(words, r.String())
	}
	return strings.Join(words, " ")
}

func TestMentions(t *testing.T) {
	cases := map[string]struct {
		sentence, name string
		want           bool
	}{
		"a word":                         {"Error adding/updating listener(s) lds_a, lds_b: bad", "lds_a", true},
		"the last word":                  {"unknown cluster cds_a", "cds_a", true},
		"the end of a sentence":          {"unknown cluster cds_a.", "cds_a", true},
		"the beginning of a longer name": {"unknown cluster cds_a_2", "cds_a", false},
		"the end of a longer name":       {"unknown cluster x_cds_a", "cds_a", false},
		"first in a longer, then itself": {"clusters cds_a_2 and cds_a", "cds_a", true},
		"no name":                        {"anything", "", false},
		"the domain of everybody":        {"a * b", "*", false},
	}
	for name, c := range cases {
		if got := Mentions(c.sentence, c.name); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
