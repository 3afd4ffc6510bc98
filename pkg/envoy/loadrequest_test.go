package envoy

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/protobuf/proto"
)

func TestALoadRequestIsReadWithoutItsNode(t *testing.T) {
	m := &loadstatsv3.LoadStatsRequest{
		Node: &corev3.Node{
			Id: "web-1.demo", Cluster: "web", UserAgentName: "envoy", Locality: &corev3.Locality{Zone: "a"},
			Extensions: []*corev3.Extension{{Name: "envoy.filters.http.router", TypeUrls: []string{"a", "b"}}},
		},
		ClusterStats: []*endpointv3.ClusterStats{failed("a", 3), failed("b", 4)},
	}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	r := loadRequest{node: "what was read before"}
	if err := r.unmarshal(data); err != nil {
		t.Fatal(err)
	}
	if r.node != "web-1.demo" || len(r.stats) != 2 || !proto.Equal(r.stats[0], m.GetClusterStats()[0]) || !proto.Equal(r.stats[1], m.GetClusterStats()[1]) {
		t.Errorf("read %+v of %v", r, m)
	}
}

// FuzzLoadRequest holds that we read what the library reads, of whatever it takes.
func FuzzLoadRequest(f *testing.F) {
	for _, m := range []*loadstatsv3.LoadStatsRequest{
		{}, {Node: &corev3.Node{Id: "web-1.demo"}}, {Node: &corev3.Node{Id: "a"}, ClusterStats: []*endpointv3.ClusterStats{failed("a", 3)}},
	} {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		want, r := &loadstatsv3.LoadStatsRequest{}, loadRequest{}
		if proto.Unmarshal(data, want) != nil {
			_ = r.unmarshal(data) // whatever it says, it says so
			return
		}
		if err := r.unmarshal(data); err != nil {
			t.Fatalf("the library reads %v, and we: %v", want, err)
		}
		if r.node != want.GetNode().GetId() || len(r.stats) != len(want.GetClusterStats()) {
			t.Fatalf("read %+v, the library %v", r, want)
		}
		for i, stats := range r.stats {
			if !proto.Equal(stats, want.GetClusterStats()[i]) {
				t.Fatalf("read %v, the library %v", stats, want.GetClusterStats()[i])
			}
		}
	})
}
