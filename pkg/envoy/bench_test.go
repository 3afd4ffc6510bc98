package envoy

import (
	"fmt"
	"testing"
	"time"

	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// BenchmarkAwaited is what one look at who has a weight costs, among 10,000 connected proxies of which each calls the
// router: it is made at most 50 times a second, and only as long as somebody waits.
func BenchmarkAwaited(b *testing.B) {
	s := withProxies(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if !s.reached(shop, generation(1)) {
			b.Fatal("all have it")
		}
	}
}

// BenchmarkAnswered is what the answer costs, once.
func BenchmarkAnswered(b *testing.B) {
	s := withProxies(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if status := s.Router(shop); len(status.Proxies) != 10_000 || !status.Reached(generation(1)) {
			b.Fatalf("%d proxies", len(status.Proxies))
		}
	}
}

// BenchmarkVerdict is what an acknowledgement costs the stream that it comes on.
func BenchmarkVerdict(b *testing.B) {
	r := split{port: 80, weights: map[string]uint32{"a": 1}, backends: map[string]string{"a": "10.0.0.1:80"}}.resources()
	snap, err := newSnapshot(nil, r)
	if err != nil {
		b.Fatal(err)
	}
	l, a := &line{}, &answer{edition: snap.edition, changed: []*resource{snap.types[resourcev3.RouteType].byName["routes"]}, nonce: "1"}
	f := newFeed()
	f.snap, f.lines[resourcev3.RouteType] = snap, l
	b.ReportAllocs()
	for b.Loop() {
		l.written = append(l.written[:0], a)
		f.heard(resourcev3.RouteType, verdict{nonce: "1"})
	}
}

// withProxies is a server with streams that have taken all there is.
func withProxies(tb testing.TB, n int) *Server {
	tb.Helper()
	s := NewServer(Config{})
	r := split{port: 80, weights: map[string]uint32{"a": 1}, backends: map[string]string{"a": "10.0.0.1:80"}}.resources()
	r.Routers = []mesh.ObjectRef{shop}
	if err := s.Publish(shopModel(1), map[mesh.ProxyID]*xds.Resources{web: r}); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		st := &stream{server: s, pod: PodIdentity{Namespace: "demo", Name: fmt.Sprintf("web-%d", i)}, proxy: web, since: time.Now(), feed: newFeed(), types: map[string]TypeStatus{}}
		s.streams.add(st)
		s.store.attach(web, st.feed)
		known := map[string]map[string]string{}
		for _, typeURL := range servedTypes {
			known[typeURL] = s.store.snapshot(web).types[typeURL].versions()
			names := map[string]struct{}{}
			for name := range known[typeURL] {
				names[name] = struct{}{}
			}
			sub := subscription{names: names, known: known[typeURL]}
			st.feed.open(typeURL, func(*line) watch {
				return &deltaWatch{typeURL: typeURL, sub: sub, out: make(chan cachev3.DeltaResponse, 1)}
			})
		}
	}
	return s
}
