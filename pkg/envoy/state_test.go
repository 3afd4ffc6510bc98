package envoy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// moment is a number of seconds after some time.
func moment(seconds int) time.Time {
	return time.Date(2026, 11, 25, 12, 0, seconds, 0, time.UTC)
}

func TestStates(t *testing.T) {
	web := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}
	pod := func(name string) PodIdentity { return PodIdentity{Namespace: "demo", Name: name, UID: name + "-uid"} }
	// What replicas say has the service account too.
	connected := func(name string, since int) ProxyStatus {
		id := pod(name)
		id.ServiceAccount = "default"
		return ProxyStatus{Pod: id, Proxy: web, Since: moment(since), Types: map[string]TypeStatus{
			"clusters":  {Sent: "c1", SentAt: moment(since + 1), Acked: "c1"},
			"listeners": {Sent: "l1", SentAt: moment(since + 2), Acked: "l1"},
		}}
	}
	with := func(p ProxyStatus, change func(*ProxyStatus)) ProxyStatus { change(&p); return p }
	// row is what matters of a ProxyState.
	type row struct {
		Pod, Replica string
		Proxy        string
		State        State
		Since        time.Time
		Message      string
	}
	tests := map[string]struct {
		pods     []Sighting
		replicas map[string][]ProxyStatus
		want     []row
	}{
		"all is acknowledged": {
			[]Sighting{{Pod: pod("a"), Proxy: web, Since: moment(0)}},
			map[string][]ProxyStatus{"mesh-1": {connected("a", 10)}},
			[]row{{"a", "mesh-1", "VirtualNode/demo/web", Synced, moment(12), ""}},
		},
		"two types are not acknowledged: since the older was sent": {
			[]Sighting{{Pod: pod("a"), Proxy: web}},
			map[string][]ProxyStatus{"mesh-1": {with(connected("a", 10), func(p *ProxyStatus) {
				p.Types["routes"] = TypeStatus{Sent: "r2", SentAt: moment(30), Acked: "r1"}
				p.Types["clusters"] = TypeStatus{Sent: "c2", SentAt: moment(29)}
			})}},
			[]row{{"a", "mesh-1", "VirtualNode/demo/web", Stale, moment(29), "it has not acknowledged clusters, routes"}},
		},
		"nothing was sent": {
			[]Sighting{{Pod: pod("a"), Proxy: web}},
			map[string][]ProxyStatus{"mesh-1": {with(connected("a", 10), func(p *ProxyStatus) { p.Types = nil })}},
			[]row{{"a", "mesh-1", "VirtualNode/demo/web", Stale, moment(10), "it was sent nothing yet, because VirtualNode/demo/web is not served; see its condition"}},
		},
		"a refusal counts for more than a missing acknowledgement": {
			[]Sighting{{Pod: pod("a"), Proxy: web}},
			map[string][]ProxyStatus{"mesh-1": {with(connected("a", 10), func(p *ProxyStatus) {
				p.Types["routes"] = TypeStatus{Sent: "r2", SentAt: moment(30), Acked: "r1"}
				p.Refused = []Refused{
					{Type: "clusters", Resource: "cds_a", Error: "no such field", Since: moment(40)},
					{Type: "routes", Resource: "rds_a", Error: "regex\ntoo big\n", Since: moment(31)},
				}
			})}},
			[]row{{"a", "mesh-1", "VirtualNode/demo/web", Rejected, moment(31), "clusters cds_a: no such field; routes rds_a: regex too big"}},
		},
		"a pod that moved to another replica": {
			[]Sighting{{Pod: pod("a"), Proxy: web}},
			map[string][]ProxyStatus{
				"mesh-1": {with(connected("a", 10), func(p *ProxyStatus) { p.Types = nil })},
				"mesh-2": {connected("a", 20)},
				"mesh-3": {with(connected("a", 15), func(p *ProxyStatus) { p.Types = nil })},
			},
			[]row{{"a", "mesh-2", "VirtualNode/demo/web", Synced, moment(22), ""}},
		},
		"a pod of ours that nobody knows": {
			[]Sighting{{Pod: pod("a"), Proxy: web, Since: moment(5), Note: "its pod is Pending"}},
			map[string][]ProxyStatus{"mesh-1": {connected("b", 10)}},
			[]row{{"a", "", "VirtualNode/demo/web", NotConnected, moment(5), "its pod is Pending"}},
		},
		"a pod that was replaced by one of the same name is not connected yet": {
			[]Sighting{{Pod: PodIdentity{Namespace: "demo", Name: "a", UID: "new"}, Proxy: web, Since: moment(5)}},
			map[string][]ProxyStatus{"mesh-1": {connected("a", 10)}},
			[]row{{"a", "", "VirtualNode/demo/web", NotConnected, moment(5), ""}},
		},
		"an Envoy that is not ours": {
			[]Sighting{{Pod: pod("b"), Foreign: true, Since: moment(5), Note: "its image is aws-appmesh-envoy"}, {Pod: pod("a"), Proxy: web}},
			map[string][]ProxyStatus{"mesh-1": {connected("a", 10)}},
			[]row{
				{"a", "mesh-1", "VirtualNode/demo/web", Synced, moment(12), ""},
				{"b", "", "", Foreign, moment(5), "its image is aws-appmesh-envoy"},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []row
			for _, s := range States(tc.pods, tc.replicas) {
				r := row{s.Pod, s.Replica, "", s.State, s.Since, s.Message}
				if s.Proxy != nil {
					r.Proxy = s.Proxy.String()
				}
				got = append(got, r)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
