package envoy

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (p *controlPlane) publish(t *testing.T, r *xds.Resources) {
	t.Helper()
	if err := p.Publish(&mesh.Model{}, map[mesh.ProxyID]*xds.Resources{web: r}); err != nil {
		t.Fatal(err)
	}
}

// bothVariants runs a test with an Envoy that speaks each variant of the protocol.
func bothVariants(t *testing.T, test func(t *testing.T, variant string)) {
	for _, variant := range []string{delta, sotw} {
		t.Run(variant, func(t *testing.T) { test(t, variant) })
	}
}

func TestEnvoyWaitsForItsConfigurationAndFollowsIt(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		sidecar := newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "connected", func() bool { return len(p.Status()) == 1 })
		if sidecar.ready() {
			t.Fatal("Envoy is ready before its configuration was published")
		}
		if got := p.counter(t, "sluice_mesh_connected_proxies", stateWaiting); got != 1 {
			t.Errorf("%v proxies wait for a configuration, want 1", got)
		}

		config := split{
			port: freePort(t), weights: map[string]uint32{"a": 100, "b": 0},
			backends: map[string]string{"a": backend(t, "a"), "b": backend(t, "b")},
		}
		p.publish(t, config.resources())
		until(t, "ready", sidecar.ready)
		until(t, "an answer of a", func() bool { body, _ := ask(config.port); return body == "a" })
		version := p.acked(t, "routes", "")
		pushes := p.counter(t, "sluice_mesh_pushes_total", "")

		p.publish(t, config.resources())
		if got := p.counter(t, "sluice_mesh_pushes_total", ""); got != pushes {
			t.Errorf("an equal configuration was pushed: %v messages, had %v", got, pushes)
		}

		config.weights = map[string]uint32{"a": 0, "b": 100}
		p.publish(t, config.resources())
		p.acked(t, "routes", version)
		if body, err := ask(config.port); body != "b" {
			t.Errorf("after the weights were acknowledged: got %q, %v, want b", body, err)
		}
		if got := p.counter(t, "sluice_mesh_pushes_total", ""); got != pushes+1 {
			t.Errorf("a weight change took %v messages, want 1", got-pushes)
		}
		until(t, "all is judged", func() bool { return p.counter(t, "sluice_mesh_connected_proxies", stateCurrent) == 1 })
		if got := p.counter(t, "sluice_mesh_publish_ack_seconds", ""); got != 2 {
			t.Errorf("%v publishes were followed to their end, want the 2 that changed something", got)
		}
	})
}

// Envoy warms a changed cluster until it gets endpoints, even when these are the same as before.
func TestEndpointsFollowAChangedCluster(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{port: freePort(t), weights: map[string]uint32{"a": 100}, backends: map[string]string{"a": backend(t, "a")}}
		p.publish(t, config.resources())
		sidecar := newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "an answer of a", func() bool { body, _ := ask(config.port); return body == "a" })

		config.maxRequests = 7
		p.publish(t, config.resources())
		until(t, "the new cluster is in use", func() bool {
			_, body := sidecar.get("/clusters")
			return strings.Contains(body, "a::default_priority::max_requests::7") && sidecar.stat("cluster_manager.warming_clusters") == 0
		})
	})
}

// One publish may bring a new cluster, point the routes at it, and take the old one away. No request may notice.
func TestReplacingAClusterFailsNoRequest(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{port: freePort(t), weights: map[string]uint32{"c0": 1}, backends: map[string]string{"c0": backend(t, "c0")}}
		p.publish(t, config.resources())
		sidecar := newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "the first answer", func() bool { _, err := ask(config.port); return err == nil })

		failure := underLoad(config.port)
		for i := range 10 {
			name := string(rune('a' + i))
			config.weights = map[string]uint32{name: 1}
			config.backends = map[string]string{name: backend(t, name)}
			p.publish(t, config.resources())
			until(t, "an answer of "+name, func() bool { body, _ := ask(config.port); return body == name })
			until(t, "the old cluster is gone", func() bool { return sidecar.stat("cluster_manager.active_clusters") == 3 })
		}
		if err := failure(); err != nil {
			t.Errorf("a request failed: %v", err)
		}
	})
}

func TestARefusalIsRecorded(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{port: freePort(t), weights: map[string]uint32{"a": 1}, backends: map[string]string{"a": backend(t, "a")}}
		p.publish(t, config.resources())
		newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "an answer of a", func() bool { body, _ := ask(config.port); return body == "a" })
		good := p.acked(t, "listeners", "")

		bad := config.resources()
		bad.Listeners[0].FilterChains = append(bad.Listeners[0].FilterChains, &listenerv3.FilterChain{
			FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{"*w.example"}},
		})
		p.publish(t, bad)
		until(t, "the refusal", func() bool {
			s := p.Status()[0]
			return s.Types["listeners"].Acked == good && len(s.Refused) == 1 && s.Refused[0].Type == "listeners" &&
				s.Refused[0].Resource == "web" && p.counter(t, "sluice_mesh_connected_proxies", stateRefusing) == 1 && strings.Contains(s.Refused[0].Error, "wildcard")
		})
		pushes := p.counter(t, "sluice_mesh_pushes_total", "listeners")
		// The stream goes on: other types change, and what was refused is not sent again.
		config.weights["b"] = 1
		config.backends["b"] = backend(t, "b")
		mixed := config.resources()
		mixed.Listeners = bad.Listeners
		p.publish(t, mixed)
		until(t, "an answer of b", func() bool { body, _ := ask(config.port); return body == "b" })
		if got := p.counter(t, "sluice_mesh_pushes_total", "listeners"); got != pushes {
			t.Errorf("the refused listeners were sent %v more times", got-pushes)
		}
		if s := p.Status()[0]; len(s.Refused) != 1 {
			t.Errorf("the refusal was forgotten: %+v", s)
		}
		p.publish(t, config.resources())
		until(t, "the refusal is over", func() bool { return len(p.Status()[0].Refused) == 0 })
	})
}

func TestAStrangerGetsNothing(t *testing.T) {
	cases := map[string]struct{ node, token, says string }{
		"a token that the cluster did not issue": {"web-1.a.demo", "forged", "token was refused: signature does not match"},
		"the node is not the token's pod":        {"web-2.demo", "good", "not the pod of the token, demo/web-1.a"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := newControlPlane(t, nil)
			config := split{port: freePort(t), weights: map[string]uint32{"a": 1}, backends: map[string]string{"a": backend(t, "a")}}
			p.publish(t, config.resources())
			sidecar := newSidecar(t, p, delta, c.node, c.token)
			until(t, "refused twice", func() bool { return sidecar.stat("control_plane.connected_state") == 0 && p.refusals(t) >= 2 })
			if sidecar.ready() || len(p.Status()) != 0 || p.counter(t, "sluice_mesh_pushes_total", "") != 0 {
				t.Error("the stranger was served")
			}
			if err := probe(t, p, c.node, c.token); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the refusal says %v, want a sentence with %q", err, c.says)
			}
		})
	}
}

func TestTrafficSurvivesARestartOfTheServer(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{
			port: freePort(t), weights: map[string]uint32{"a": 1, "b": 0},
			backends: map[string]string{"a": backend(t, "a"), "b": backend(t, "b")},
		}
		p.publish(t, config.resources())
		sidecar := newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "an answer of a", func() bool { body, _ := ask(config.port); return body == "a" })
		p.stop()
		until(t, "disconnected", func() bool { return sidecar.stat("control_plane.connected_state") == 0 })
		if body, err := ask(config.port); body != "a" {
			t.Fatalf("without a control plane: %q, %v", body, err)
		}

		// A server that knows nothing yet takes nothing away.
		p.start(t, nil)
		until(t, "reconnected", func() bool { return len(p.Status()) == 1 })
		if body, err := ask(config.port); body != "a" {
			t.Fatalf("with an empty control plane: %q, %v", body, err)
		}
		p.publish(t, config.resources())
		until(t, "it has all", func() bool { return p.counter(t, "sluice_mesh_connected_proxies", stateCurrent) == 1 })
		// The older variant says what it has of clusters and listeners only.
		for _, what := range []string{"clusters", "listeners", "endpoints", "routes"} {
			if n := p.counter(t, "sluice_mesh_pushes_total", what); n != 0 && (variant == delta || what == "listeners") {
				t.Errorf("unchanged %s were pushed %v times after the restart", what, n)
			}
		}
		config.weights = map[string]uint32{"a": 0, "b": 1}
		p.publish(t, config.resources())
		until(t, "an answer of b", func() bool { body, _ := ask(config.port); return body == "b" })
	})
}

func TestStreamsEndByAgeAndComeBack(t *testing.T) {
	p := newControlPlane(t, func(c *Config) { c.StreamAge = 2 * time.Second })
	config := split{port: freePort(t), weights: map[string]uint32{"a": 1}, backends: map[string]string{"a": backend(t, "a")}}
	p.publish(t, config.resources())
	sidecar := newSidecar(t, p, delta, "web-1.a.demo", "good")
	until(t, "two streams ended by age", func() bool { return p.counter(t, "sluice_mesh_stream_ends_total", "age") >= 2 })
	until(t, "connected again", func() bool { return len(p.Status()) == 1 })
	if got := p.counter(t, "sluice_mesh_pushes_total", ""); got != 4 {
		t.Errorf("%v messages over three streams, want one of each type: nothing changed in between", got)
	}
	if got := sidecar.stat("cluster." + xds.ClusterXDS + ".upstream_cx_total"); got < 2 {
		t.Errorf("%d connections: the next stream must come on a new one, or replicas cannot balance", got)
	}
	if body, err := ask(config.port); body != "a" {
		t.Errorf("meanwhile: %q, %v", body, err)
	}
}
