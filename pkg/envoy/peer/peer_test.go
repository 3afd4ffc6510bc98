package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

const (
	meshName   = "sluice-mesh.sluice-system.svc"
	canaryName = "sluice-canary.sluice-system.svc"
)

var shop = mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: "demo", Name: "shop"}

func generation(n int64) mesh.Generation { return mesh.Generation{UID: "u/1&2", Number: n} }

// source is what one replica knows.
type source struct {
	mu     sync.Mutex
	router envoy.RouterStatus
	status []envoy.ProxyStatus
	epoch  string
}

func (s *source) Router(mesh.ObjectRef) envoy.RouterStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.router
}

func (s *source) AwaitRouter(ctx context.Context, router mesh.ObjectRef, want mesh.Generation) envoy.RouterStatus {
	for s.Router(router).Router != router || !s.Router(router).Reached(want) {
		select {
		case <-ctx.Done():
			return s.Router(router)
		case <-time.After(time.Millisecond):
		}
	}
	return s.Router(router)
}

func (s *source) Status() []envoy.ProxyStatus { return s.status }

func (s *source) Loads(nodes []mesh.ObjectRef) []envoy.Load {
	var out []envoy.Load
	for _, node := range nodes {
		out = append(out, envoy.Load{Node: node, Epoch: s.epoch, Age: time.Minute, Callers: 2, LoadCounts: envoy.LoadCounts{Issued: 7, Failed: 3}})
	}
	return out
}

func (s *source) acked(n int64, pods ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	caller := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}
	s.router = envoy.RouterStatus{Router: shop, Published: generation(n), Callers: []mesh.ProxyID{caller}}
	for _, pod := range pods {
		s.router.Proxies = append(s.router.Proxies, envoy.RouterProxy{
			Pod: envoy.PodIdentity{Namespace: "demo", Name: pod}, Proxy: caller, Acked: generation(n), Since: time.Unix(n, 0).UTC(),
		})
	}
}

// authority issues the leaves that the webhook process issues.
type authority struct {
	t    *testing.T
	pair certs.Pair
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	pair, err := certs.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return authority{t, pair}
}

// dir holds a leaf of a process, as its Secret is mounted.
func (a authority) dir(service string, client bool) string {
	dir := a.t.TempDir()
	a.write(dir, service, client)
	return dir
}

func (a authority) write(dir, service string, client bool) {
	a.t.Helper()
	leaf, err := certs.Issue(a.pair, certs.Leaf{
		Secret: service, Name: service, Hosts: certs.ServiceHosts(service, sluice.SystemNamespace, "cluster.local"), Client: client,
	}, time.Now())
	if err != nil {
		a.t.Fatal(err)
	}
	for name, content := range map[string][]byte{"tls.crt": leaf.Cert, "tls.key": leaf.Key, "ca.crt": leaf.Bundle} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a authority) identity(service string, client bool) Identity {
	return identity(a.t, a.dir(service, client))
}

func identity(t *testing.T, dir string) Identity {
	t.Helper()
	out, err := LoadIdentity(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// replica serves a source until the test ends.
func replica(t *testing.T, id Identity, s Source) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- NewServer(ServerConfig{Source: s, Identity: id, Canary: canaryName, Mesh: meshName}).Serve(ctx, listener)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

func client(id Identity, replicas ...netip.AddrPort) *Client {
	return NewClient(ClientConfig{
		Replicas: func(context.Context) ([]netip.AddrPort, error) { return replicas, nil }, Identity: id, Mesh: meshName,
	})
}

func TestAskAllReplicas(t *testing.T) {
	ca := newAuthority(t)
	first, second := &source{}, &source{}
	first.acked(7, "web-1", "web-2")
	second.acked(7, "web-3")
	id := ca.identity(sluice.MeshService, true)
	gone := netip.MustParseAddrPort("127.0.0.1:1")
	c := client(ca.identity(sluice.CanaryService, true), replica(t, id, first), replica(t, id, second), gone)
	got, err := c.Router(t.Context(), shop, generation(7), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var pods []string
	for _, p := range got.Proxies {
		pods = append(pods, p.Pod.Name)
	}
	if diff := cmp.Diff([]string{"web-1", "web-2", "web-3"}, pods); diff != "" || !got.Reached(generation(7)) {
		t.Errorf("%+v\n%s", got, diff)
	}
	if len(got.Silent) != 1 || got.Silent[0].Replica != gone.Addr() || Told(got.Silent) == nil {
		t.Errorf("a replica that is gone is reported as %v", got.Silent)
	}
	if _, err := client(id).Router(t.Context(), shop, generation(7), 0); err == nil || !strings.Contains(err.Error(), "find the replicas of mesh") {
		t.Errorf("without replicas: %v", err)
	}
}

func TestReplicasAreFoundByName(t *testing.T) {
	s := &source{}
	s.acked(7, "web-1")
	ca := newAuthority(t)
	at := replica(t, ca.identity(sluice.MeshService, true), s)
	c := NewClient(ClientConfig{Replicas: Resolve("localhost", at.Port()), Identity: ca.identity(sluice.CanaryService, true), Mesh: meshName})
	got, err := c.Router(t.Context(), shop, generation(7), 0)
	if err != nil || !got.Reached(generation(7)) || len(got.Proxies) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	c.config.Replicas = Resolve("replicas.invalid", 1)
	if _, err := c.Router(t.Context(), shop, generation(7), 0); err == nil || !strings.Contains(err.Error(), "replicas.invalid") {
		t.Errorf("a name that does not exist: %v", err)
	}
}

func TestTheAnswerWaitsForTheVerdict(t *testing.T) {
	ca := newAuthority(t)
	s := &source{}
	s.acked(7, "web-1")
	c := client(ca.identity(sluice.CanaryService, true), replica(t, ca.identity(sluice.MeshService, true), s))
	got, err := c.Router(t.Context(), shop, generation(8), 50*time.Millisecond)
	if err != nil || got.Reached(generation(8)) || len(got.Proxies) != 1 {
		t.Errorf("after the wait: %+v, %v", got, err)
	}
	late := time.AfterFunc(100*time.Millisecond, func() { s.acked(8, "web-1") })
	defer late.Stop()
	got, err = c.Router(t.Context(), shop, generation(8), time.Minute)
	if err != nil || !got.Reached(generation(8)) {
		t.Errorf("after the verdict: %+v, %v", got, err)
	}
}

func TestTheLeaseHolderLearnsOfRefusals(t *testing.T) {
	ca := newAuthority(t)
	refused := envoy.ProxyStatus{
		Pod: envoy.PodIdentity{Namespace: "demo", Name: "web-1"}, Proxy: mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"},
		Refused: []envoy.Refused{{Type: "listeners", Resource: "lds_a", Error: "bad", Objects: []mesh.ObjectRef{shop}}},
	}
	s := &source{status: []envoy.ProxyStatus{refused, {Pod: envoy.PodIdentity{Namespace: "demo", Name: "web-2"}}}}
	id := ca.identity(sluice.MeshService, true)
	got, silent, err := client(id, replica(t, id, s)).Refusing(t.Context())
	if err != nil || len(silent) != 0 {
		t.Fatal(silent, err)
	}
	if diff := cmp.Diff([]envoy.ProxyStatus{refused}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryReplicaTellsWhatItsCallersCounted(t *testing.T) {
	ca := newAuthority(t)
	id := ca.identity(sluice.MeshService, true)
	gone := netip.MustParseAddrPort("127.0.0.1:1")
	c := client(ca.identity(sluice.CanaryService, true), replica(t, id, &source{epoch: "a"}), gone, replica(t, id, &source{epoch: "b"}))
	// More than a URL could hold.
	var nodes []mesh.ObjectRef
	for i := range 3000 {
		nodes = append(nodes, mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: "demo", Name: fmt.Sprintf("shop-%d-canary", i)})
	}
	got, silent, err := c.Loads(t.Context(), nodes)
	if err != nil || len(got) != 2*len(nodes) || len(silent) != 1 || silent[0].Replica != gone.Addr() {
		t.Fatalf("%d answers about %d nodes, silent %v, %v", len(got), len(nodes), silent, err)
	}
	last := got[len(got)-1]
	want := envoy.Load{Node: nodes[2999], Epoch: "b", Age: time.Minute, Callers: 2, LoadCounts: envoy.LoadCounts{Issued: 7, Failed: 3}}
	if diff := cmp.Diff(want, last); diff != "" || got[0].Epoch != "a" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhoMayAsk(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	s := &source{}
	s.acked(1)
	at := replica(t, ca.identity(sluice.MeshService, true), s)
	anonymous := ca.identity(sluice.CanaryService, true)
	anonymous.Certificate = func() (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	stranger := foreign.identity(sluice.CanaryService, true)
	stranger.Trusted = anonymous.Trusted
	cases := map[string]struct {
		id                     Identity
		router, proxies, loads string
	}{
		"canary learns of routers and loads":  {id: ca.identity(sluice.CanaryService, true), proxies: "may not ask this"},
		"mesh learns of routers and proxies":  {id: ca.identity(sluice.MeshService, true), loads: "may not ask this"},
		"another process of ours: of nothing": {ca.identity("sluice-other", true), "may not ask this", "may not ask this", "may not ask this"},
		// These do not get past the handshake; what the client sees of that depends on who is faster.
		"webhook has no client leaf": {ca.identity(sluice.WebhookService, false), "does not answer", "does not answer", "does not answer"},
		"no certificate":             {anonymous, "does not answer", "does not answer", "does not answer"},
		"another authority's":        {stranger, "does not answer", "does not answer", "does not answer"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			asks := client(c.id, at)
			answer, err := asks.Router(t.Context(), shop, generation(1), 0)
			says(t, c.router, errors.Join(err, Told(answer.Silent)))
			_, silent, err := asks.Refusing(t.Context())
			says(t, c.proxies, errors.Join(err, Told(silent)))
			_, silent, err = asks.Loads(t.Context(), nil)
			says(t, c.loads, errors.Join(err, Told(silent)))
		})
	}
}

func says(t *testing.T, want string, err error) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// Nobody restarts when the authority changes: first the bundle holds both, then the leaves switch.
func TestCertificatesAreFollowed(t *testing.T) {
	old := newAuthority(t)
	meshDir, canaryDir := old.dir(sluice.MeshService, true), old.dir(sluice.CanaryService, true)
	s := &source{}
	s.acked(1)
	c := client(identity(t, canaryDir), replica(t, identity(t, meshDir), s))
	ask := func() error {
		answer, err := c.Router(t.Context(), shop, generation(1), 0)
		c.http.CloseIdleConnections()
		return errors.Join(err, Told(answer.Silent))
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	next := newAuthority(t)
	next.write(meshDir, sluice.MeshService, true)
	next.write(canaryDir, sluice.CanaryService, true)
	deadline := time.Now().Add(10 * time.Second)
	for ask() != nil {
		if time.Now().After(deadline) {
			t.Fatalf("the new certificates are not used: %v", ask())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestJoinRouters(t *testing.T) {
	web := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}
	left := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "left"}
	proxy := func(pod string, id mesh.ProxyID, since, acked int64) envoy.RouterProxy {
		return envoy.RouterProxy{Pod: envoy.PodIdentity{Name: pod}, Proxy: id, Since: time.Unix(since, 0), Acked: generation(acked)}
	}
	cases := map[string]struct {
		all  []envoy.RouterStatus
		want envoy.RouterStatus
	}{
		"nobody answered": {want: envoy.RouterStatus{Router: shop}},
		"a pod that moved is where its newest stream is": {
			[]envoy.RouterStatus{
				{Published: generation(2), Callers: []mesh.ProxyID{web}, Proxies: []envoy.RouterProxy{proxy("a", web, 5, 1), proxy("b", web, 5, 2)}},
				{Published: generation(2), Callers: []mesh.ProxyID{web}, Proxies: []envoy.RouterProxy{proxy("a", web, 9, 2)}},
			},
			envoy.RouterStatus{Router: shop, Published: generation(2), Callers: []mesh.ProxyID{web}, Proxies: []envoy.RouterProxy{proxy("a", web, 9, 2), proxy("b", web, 5, 2)}},
		},
		"a replica that lags does not say who calls": {
			[]envoy.RouterStatus{
				{Published: generation(1), Callers: []mesh.ProxyID{left, web}, Proxies: []envoy.RouterProxy{proxy("a", left, 5, 1), proxy("b", web, 5, 1)}},
				{Published: generation(2), Callers: []mesh.ProxyID{web}},
			},
			envoy.RouterStatus{Router: shop, Published: generation(2), Callers: []mesh.ProxyID{web}, Proxies: []envoy.RouterProxy{proxy("b", web, 5, 1)}},
		},
	}
	for name, c := range cases {
		if diff := cmp.Diff(c.want, joinRouters(shop, c.all)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
