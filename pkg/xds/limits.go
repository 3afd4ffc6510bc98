package xds

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// unlimited is what App Mesh set. Envoy's own limits of 1024 would be a surprise at the first load test.
const unlimited = 1<<31 - 1

// circuitBreakers hold what a proxy has open to a cluster.
func circuitBreakers(l *mesh.Limits) *clusterv3.CircuitBreakers {
	if l == nil {
		l = &mesh.Limits{}
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     threshold(l.Connections),
		MaxPendingRequests: threshold(l.Pending),
		MaxRequests:        threshold(l.Requests),
		MaxRetries:         threshold(0),
	}}}
}

func threshold(limit uint32) *wrapperspb.UInt32Value {
	if limit == 0 {
		limit = unlimited
	}
	return wrapperspb.UInt32(limit)
}

// limitGateway applies the limits of a gateway's listeners to the clusters that they lead to. A cluster behind several
// listeners may have as much open as all of them together.
func (t *translation) limitGateway(g *mesh.Gateway) {
	sums := map[string]mesh.Limits{}
	for _, l := range g.Listeners {
		own := mesh.Limits{}
		if l.Limits != nil {
			own = *l.Limits
		}
		for cluster := range reached(l) {
			sum, seen := sums[cluster]
			if seen {
				sum.Connections = addLimits(sum.Connections, own.Connections)
				sum.Pending = addLimits(sum.Pending, own.Pending)
				sum.Requests = addLimits(sum.Requests, own.Requests)
			} else {
				sum = own
			}
			sums[cluster] = sum
		}
	}
	for _, c := range t.out.Clusters {
		sum := sums[c.GetName()]
		c.CircuitBreakers = circuitBreakers(&sum)
	}
}

// addLimits adds two limits of which 0 is none.
func addLimits(a, b uint32) uint32 {
	if a == 0 || b == 0 {
		return 0
	}
	return min(a+b, unlimited)
}

// reached are the clusters that a listener leads to.
func reached(l mesh.GatewayListener) map[string]bool {
	out := map[string]bool{}
	for _, host := range l.Hosts {
		for _, r := range host.Routes {
			for _, name := range r.Clusters() {
				out[name] = true
			}
		}
	}
	return out
}
