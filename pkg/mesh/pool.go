package mesh

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Limits are how much a proxy has open at once to what it connects to; 0 is no limit. What is too much gets 503, or, on
// TCP, a closed connection.
type Limits struct {
	Connections uint32 `json:"connections,omitempty"`
	// Pending requests wait for a connection.
	Pending  uint32 `json:"pending,omitempty"`
	Requests uint32 `json:"requests,omitempty"`
}

// poolLimit is a field of a connection pool and where its value goes.
type poolLimit struct {
	name  string
	value int64
	to    func(*Limits) *uint32
}

func toConnections(l *Limits) *uint32 { return &l.Connections }
func toPending(l *Limits) *uint32     { return &l.Pending }
func toRequests(l *Limits) *uint32    { return &l.Requests }

// poolLimits gives the limits of each kind of pool that is there.
func poolLimits(p *appmeshv1beta2.VirtualNodeConnectionPool) map[Protocol][]poolLimit {
	out := map[Protocol][]poolLimit{}
	if p.TCP != nil {
		out[TCP] = []poolLimit{{"maxConnections", p.TCP.MaxConnections, toConnections}}
	}
	if p.HTTP != nil {
		out[HTTP] = []poolLimit{{"maxConnections", p.HTTP.MaxConnections, toConnections}}
		if p.HTTP.MaxPendingRequests != nil {
			out[HTTP] = append(out[HTTP], poolLimit{"maxPendingRequests", *p.HTTP.MaxPendingRequests, toPending})
		}
	}
	if p.HTTP2 != nil {
		out[HTTP2] = []poolLimit{{"maxRequests", p.HTTP2.MaxRequests, toRequests}}
	}
	if p.GRPC != nil {
		out[GRPC] = []poolLimit{{"maxRequests", p.GRPC.MaxRequests, toRequests}}
	}
	return out
}

// limits converts the connection pool of a listener; nil if there is none, or after telling why it limits nothing.
func (b *builder) limits(ref ObjectRef, path *field.Path, protocol Protocol, p *appmeshv1beta2.VirtualNodeConnectionPool) *Limits {
	if p == nil {
		return nil
	}
	pools := poolLimits(p)
	for _, other := range slices.Sorted(maps.Keys(pools)) {
		if other == protocol {
			continue
		}
		err := field.Invalid(path.Child(string(other)), field.OmitValueType{}, fmt.Sprintf(
			"the listener speaks %s, so this limits nothing; give the pool as %[1]s", protocol))
		if len(pools) > 1 {
			b.remark(ref, ReasonInvalid, err)
		} else {
			b.beyond(ref, err)
		}
	}
	if len(pools) == 0 {
		b.remark(ref, ReasonInvalid, field.Required(path.Child(string(protocol)), "nothing is limited; give the limits, or take the pool away"))
	}
	var out Limits
	for _, l := range pools[protocol] {
		if l.value < 1 {
			b.blocked(ref, ReasonInvalid, field.Invalid(path.Child(string(protocol), l.name), l.value, "this is not limited; give a number above 0"))
			continue
		}
		*l.to(&out) = uint32(min(l.value, math.MaxInt32))
	}
	if out == (Limits{}) {
		return nil
	}
	return &out
}

// gatewayPool is the pool of a gateway's listener as one of a virtual node's, which has TCP besides.
func gatewayPool(p *appmeshv1beta2.VirtualGatewayConnectionPool) *appmeshv1beta2.VirtualNodeConnectionPool {
	if p == nil {
		return nil
	}
	return &appmeshv1beta2.VirtualNodeConnectionPool{HTTP: p.HTTP, HTTP2: p.HTTP2, GRPC: p.GRPC}
}
