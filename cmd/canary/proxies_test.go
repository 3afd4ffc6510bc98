package main

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func TestAcknowledgements(t *testing.T) {
	generation := func(n int64) mesh.Generation { return mesh.Generation{UID: "u", Number: n} }
	proxy := func(uid string, acked, refused int64) envoy.RouterProxy {
		p := envoy.RouterProxy{Pod: envoy.PodIdentity{UID: uid}, Acked: generation(acked)}
		if refused > 0 {
			p.Refused, p.Error = generation(refused), "bad regex"
		}
		return p
	}
	answer := peer.RouterAnswer{
		RouterStatus: envoy.RouterStatus{
			Published: generation(8),
			Callers: []mesh.ProxyID{
				{Kind: mesh.ProxyVirtualGateway, Namespace: "demo", Name: "edge"}, {Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"},
			},
			Proxies: []envoy.RouterProxy{proxy("new", 8, 0), proxy("old", 6, 0), proxy("no", 6, 7), proxy("cured", 8, 7), proxy("before", 5, 6)},
		},
		Silent: []peer.Silence{{Replica: netip.MustParseAddr("10.0.0.9"), Err: errors.New("timeout")}},
	}
	want := canary.Acknowledgements{
		Served:  true,
		Callers: []canary.Caller{{Gateway: true, Namespace: "demo", Name: "edge"}, {Namespace: "demo", Name: "web"}},
		Taken:   map[string]bool{"new": true, "cured": true}, Refused: map[string]string{"no": "bad regex"},
		Silent: "replica 10.0.0.9 does not answer: timeout",
	}
	if diff := cmp.Diff(want, acknowledgements(answer, generation(7))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := acknowledgements(answer, generation(9)); got.Served || len(got.Taken) > 0 {
		t.Errorf("a generation that mesh has not seen: %+v", got)
	}
}
