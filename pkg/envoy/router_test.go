package envoy

import (
	"context"
	"strings"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

var (
	shop     = mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: "demo", Name: "shop"}
	service  = mesh.ObjectRef{Kind: mesh.KindVirtualService, Namespace: "demo", Name: "shop"}
	webNode  = mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: "demo", Name: "web"}
	shopPort = uint32(8080)
)

func generation(n int64) mesh.Generation { return mesh.Generation{UID: "u", Number: n} }

// shopModel is what split's routes are made of: node web calls service shop, whose router splits the requests.
func shopModel(n int64) *mesh.Model {
	return &mesh.Model{
		Nodes: []mesh.Node{{ID: web, Egress: []mesh.EgressPort{{
			Port: shopPort, Protocol: mesh.HTTP, Hosts: []mesh.EgressHost{{Service: service, Domains: []string{"shop.demo"}}},
		}}}},
		Services: []mesh.Service{{
			ID: service, Name: "shop.demo", Sources: []mesh.ObjectRef{service, shop},
			Ports: []mesh.ServicePort{{Port: shopPort, Protocol: mesh.HTTP, Routes: []mesh.Route{{
				Name: "all", Targets: []mesh.Target{{Cluster: "a", Weight: 1}, {Cluster: "b", Weight: 1}}, Sources: []mesh.ObjectRef{shop},
			}}}},
		}},
		Generations: mesh.Generations{shop: generation(n)},
	}
}

// release publishes a generation of the router, with the resources that were made from it.
func (p *controlPlane) release(t *testing.T, n int64, r *xds.Resources) {
	t.Helper()
	r.Routers = []mesh.ObjectRef{shop}
	if err := p.Publish(shopModel(n), map[mesh.ProxyID]*xds.Resources{web: r}); err != nil {
		t.Fatal(err)
	}
}

func (p *controlPlane) awaitShop(t *testing.T, n int64) RouterProxy {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s := p.AwaitRouter(ctx, shop, generation(n))
	if !s.Reached(generation(n)) || len(s.Proxies) != 1 || s.Proxies[0].Pod != webPod {
		t.Fatalf("generation %d was not reached: %+v", n, s)
	}
	return s.Proxies[0]
}

// A weight counts as acknowledged when requests follow it, and not before; a generation that changes nothing, at once.
func TestAcknowledgedGenerationsAreTrue(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{
			port: freePort(t), table: mesh.EgressRouteName(mesh.HTTP, shopPort), weights: map[string]uint32{"a": 100, "b": 0},
			backends: map[string]string{"a": backend(t, "a"), "b": backend(t, "b")},
		}
		p.release(t, 1, config.resources())
		if s := p.Router(shop); len(s.Proxies) != 0 || !s.Reached(generation(1)) || s.Reached(generation(2)) || len(s.Callers) != 1 {
			t.Errorf("without a proxy: %+v", s)
		}
		newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "connected", func() bool { return len(p.Router(shop).Proxies) == 1 })
		if got := p.awaitShop(t, 1); got.Acked != generation(1) {
			t.Fatalf("%+v", got)
		}
		for n := int64(2); n < 12; n++ {
			to := []string{"a", "b"}[n%2]
			config.weights = map[string]uint32{"a": 0, "b": 0}
			config.weights[to] = 100
			p.release(t, n, config.resources())
			p.awaitShop(t, n)
			if body, err := ask(config.port); body != to {
				t.Fatalf("generation %d was acknowledged, and a request got %q, %v", n, body, err)
			}
		}
		pushes := p.counter(t, "sluice_mesh_pushes_total", "")
		p.release(t, 12, config.resources())
		if s := p.Router(shop); !s.Reached(generation(12)) || s.Proxies[0].Acked != generation(12) {
			t.Errorf("a generation that changed nothing is not acknowledged: %+v", s)
		}
		// Another part of the configuration changes: what was acknowledged stays so.
		config.maxRequests = 9
		p.release(t, 12, config.resources())
		if s := p.Router(shop); s.Proxies[0].Acked != generation(12) {
			t.Errorf("the acknowledgement was lost: %+v", s)
		}
		until(t, "that part arrives", func() bool { return p.counter(t, "sluice_mesh_pushes_total", "") > pushes })
	})
}

// What a proxy refuses stands in its status, with the objects it came from; and it has the generation from before.
func TestARefusalIsTheRouters(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{
			port: freePort(t), table: mesh.EgressRouteName(mesh.HTTP, shopPort), weights: map[string]uint32{"a": 100, "b": 0},
			backends: map[string]string{"a": backend(t, "a"), "b": backend(t, "b")},
		}
		p.release(t, 1, config.resources())
		newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "connected", func() bool { return len(p.Router(shop).Proxies) == 1 })
		p.awaitShop(t, 1)

		bad := config.resources()
		host := &routev3.VirtualHost{Name: "again", Domains: []string{"*"}}
		bad.Routes[0].VirtualHosts = append(bad.Routes[0].VirtualHosts, host)
		p.release(t, 2, bad)
		got := p.awaitShop(t, 2)
		if got.Acked != generation(1) || got.Refused != generation(2) || !strings.Contains(got.Error, "wildcard domain") || got.RefusedAt.IsZero() {
			t.Errorf("%+v", got)
		}
		refused := p.Status()[0].Refused
		if len(refused) != 1 || refused[0].Type != "routes" || refused[0].Resource != "rds_egress_http_8080" ||
			len(refused[0].Objects) != 2 || refused[0].Objects[0] != shop || refused[0].Objects[1] != service {
			t.Errorf("%+v", refused)
		}

		// A listener of the node's own is no business of the router.
		mixed := config.resources()
		mixed.Listeners[0].FilterChains = append(mixed.Listeners[0].FilterChains, &listenerv3.FilterChain{
			FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{"*w.example"}},
		})
		p.release(t, 3, mixed)
		got = p.awaitShop(t, 3)
		until(t, "the listener is refused", func() bool { r := p.Status()[0].Refused; return len(r) == 1 && r[0].Type == "listeners" })
		if got := p.Router(shop).Proxies[0]; got.Acked != generation(3) || got.Error != "" {
			t.Errorf("%+v", got)
		}
		if objects := p.Status()[0].Refused[0].Objects; len(objects) != 1 || objects[0] != webNode {
			t.Errorf("the listener's refusal is blamed on %v", objects)
		}
	})
}
