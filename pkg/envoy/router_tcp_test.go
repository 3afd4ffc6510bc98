package envoy

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/sluice-mesh/sluice/pkg/xds"
)

// tcp is a split whose listener holds the weights itself, as it does where requests cannot be told apart.
func (s split) tcp() *xds.Resources {
	weighted := &tcpv3.TcpProxy_WeightedCluster{}
	for _, name := range sortedNames(s.weights) {
		if s.weights[name] > 0 {
			weighted.Clusters = append(weighted.Clusters, &tcpv3.TcpProxy_WeightedCluster_ClusterWeight{Name: name, Weight: s.weights[name]})
		}
	}
	proxy := pack(&tcpv3.TcpProxy{StatPrefix: "web", ClusterSpecifier: &tcpv3.TcpProxy_WeightedClusters{WeightedClusters: weighted}})
	return &xds.Resources{
		Listeners: []*listenerv3.Listener{{
			Name: "web", Address: socket("127.0.0.1", s.port),
			FilterChains: []*listenerv3.FilterChain{{Name: "tcp", Filters: []*listenerv3.Filter{{
				Name: "tcp", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: proxy},
			}}}},
		}},
		Clusters: s.clusters(), Endpoints: s.endpoints(),
	}
}

// There is no route table, and nobody asks for one; the generation is acknowledged with the listener.
func TestAcknowledgedGenerationsOfTCPAreTrue(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{
			port: freePort(t), weights: map[string]uint32{"a": 100, "b": 0},
			backends: map[string]string{"a": backend(t, "a"), "b": backend(t, "b")},
		}
		p.release(t, 1, config.tcp())
		newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "connected", func() bool { return len(p.Router(shop).Proxies) == 1 })
		p.awaitShop(t, 1)
		until(t, "it listens", func() bool { return askOnce(config.port) == "a" })
		for n := int64(2); n < 6; n++ {
			to := []string{"a", "b"}[n%2]
			config.weights = map[string]uint32{"a": 0, "b": 0}
			config.weights[to] = 100
			p.release(t, n, config.tcp())
			if got := p.awaitShop(t, n); got.Acked != generation(n) {
				t.Fatalf("%+v", got)
			}
			// Envoy says that it has the listener before its workers do.
			until(t, "a connection to "+to, func() bool { return askOnce(config.port) == to })
		}
	})
}

// askOnce asks on a connection of its own: one that is open stays where it leads.
func askOnce(port int) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}
