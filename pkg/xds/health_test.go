package xds

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// pod is an application that can fail.
type pod struct {
	mesh.Address
	name string
	// status of its answers, and of those to health checks; 0 is 200.
	status, health atomic.Int32
	// checks it got, and the host of the last one.
	checks atomic.Int32
	host   atomic.Value
	// busy holds answers back while it is locked.
	busy sync.RWMutex
}

func newPod(t *testing.T, name string) *pod {
	t.Helper()
	p := &pod{name: name}
	server := httptest.NewUnstartedServer(p)
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	p.Address = mesh.Address{IP: at.Addr().String(), Port: uint32(at.Port())}
	return p
}

func (p *pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := &p.status
	if strings.HasPrefix(r.UserAgent(), healthChecker) {
		status = &p.health
		p.host.Store(r.Host)
		p.checks.Add(1)
	} else {
		p.busy.RLock()
		defer p.busy.RUnlock()
	}
	w.WriteHeader(max(http.StatusOK, int(status.Load())))
	_, _ = fmt.Fprint(w, p.name)
}

// clusterOf finds a cluster by its name.
func clusterOf(t *testing.T, r *Resources, name string) *clusterv3.Cluster {
	t.Helper()
	for _, c := range r.Clusters {
		if c.GetName() == name {
			return c
		}
	}
	t.Fatalf("there is no cluster %s", name)
	return nil
}

// behind puts pods behind a cluster.
func behind(m *mesh.Model, cluster string, pods ...*pod) {
	for i := range m.Endpoints {
		if m.Endpoints[i].Cluster == cluster {
			m.Endpoints[i].Addresses = nil
			for _, p := range pods {
				m.Endpoints[i].Addresses = append(m.Endpoints[i].Addresses, p.Address)
			}
		}
	}
}

// answering sends requests and tells who answers how often; errors count by their status.
func (e *running) answering(n int, host string) map[string]int {
	e.t.Helper()
	got := map[string]int{}
	for range n {
		got[send(e.t, e.address, call{url: "/", host: host})]++
	}
	return got
}

const checkedCluster = "cds_egress_m_web_demo_http_8080"

// hurried makes a check's times fit a test; all else stays.
func hurried(c *clusterv3.Cluster) {
	for _, check := range c.GetHealthChecks() {
		for _, d := range []**durationpb.Duration{&check.Interval, &check.NoTrafficInterval, &check.NoTrafficHealthyInterval} {
			*d = durationpb.New(50 * time.Millisecond)
		}
	}
}

// TestHealthChecksTakeEndpointsOut follows an endpoint that fails its checks and comes back, until no endpoint is well.
func TestHealthChecksTakeEndpointsOut(t *testing.T) {
	m := modelOf(t, "health-checks")
	a, b := newPod(t, "a"), newPod(t, "b")
	behind(m, checkedCluster, a, b)
	r := resourcesOf(t, m, "VirtualNode/demo/front")
	hurried(clusterOf(t, r, checkedCluster))
	envoy := start(t, r, 8080)

	realenvoy.Eventually(t, "both answer", func() bool {
		got := envoy.answering(10, "web")
		return got["a"] > 0 && got["b"] > 0
	})
	if got := b.host.Load(); got != "web.demo.svc.cluster.local:8080" {
		t.Errorf("the check asked for host %q", got)
	}
	b.health.Store(http.StatusServiceUnavailable)
	realenvoy.Eventually(t, "b is out", func() bool { return envoy.answering(10, "web")["a"] == 10 })
	failed := envoy.stat("cluster." + checkedCluster + ".health_check.failure")
	if failed < 3 {
		t.Errorf("b was out after %d failed checks, and its threshold is 3", failed)
	}
	b.health.Store(0)
	realenvoy.Eventually(t, "b is back", func() bool { return envoy.answering(10, "web")["b"] > 0 })

	// When nobody is well, the check is more likely to be wrong than everybody: calls go on, as in App Mesh.
	a.health.Store(http.StatusServiceUnavailable)
	b.health.Store(http.StatusServiceUnavailable)
	realenvoy.Eventually(t, "none is well", func() bool { return envoy.stat("cluster."+checkedCluster+".membership_healthy") == 0 })
	if got := envoy.answering(10, "web"); got["a"]+got["b"] != 10 {
		t.Errorf("with no healthy endpoint callers got %v", got)
	}
}

// TestAPodThatLeavesGetsNothing holds that readiness has the last word: a pod that is gone from the endpoints is not
// called any more, even while it still passes its checks.
func TestAPodThatLeavesGetsNothing(t *testing.T) {
	m := modelOf(t, "health-checks")
	a, b := newPod(t, "a"), newPod(t, "b")
	r := resourcesOf(t, m, "VirtualNode/demo/front")
	c := clusterOf(t, r, checkedCluster)
	hurried(c)
	file := filepath.Join(t.TempDir(), "endpoints.json")
	endpoints(t, file, a, b)
	// Envoy reads files by the same code as the stream; what is tested is the rest of the cluster.
	c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: &corev3.ConfigSource{ResourceApiVersion: corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{Path: file}}}}
	envoy := start(t, r, 8080)

	realenvoy.Eventually(t, "both answer", func() bool {
		got := envoy.answering(10, "web")
		return got["a"] > 0 && got["b"] > 0
	})
	endpoints(t, file, a)
	realenvoy.Eventually(t, "b is gone", func() bool { return envoy.stat("cluster."+checkedCluster+".membership_total") == 1 })
	if got := envoy.answering(10, "web"); got["a"] != 10 {
		t.Errorf("after b left, callers got %v", got)
	}
}

// TestHealthIsCheckedThroughTLS checks by one protocol what speaks another, where both sides agree on one first.
func TestHealthIsCheckedThroughTLS(t *testing.T) {
	for name, c := range map[string]struct {
		cluster string
		check   mesh.Protocol
	}{
		"http by http":   {"cds_egress_m_web_demo_http_8080", mesh.HTTP},
		"http by http2":  {"cds_egress_m_web_demo_http_8080", mesh.HTTP2},
		"http2 by http":  {"cds_egress_m_web_demo_http2_8081", mesh.HTTP},
		"http2 by http2": {"cds_egress_m_web_demo_http2_8081", mesh.HTTP2},
	} {
		t.Run(name, func(t *testing.T) {
			m := modelOf(t, "health-checks")
			app := &pod{name: "app"}
			server := httptest.NewUnstartedServer(app)
			server.EnableHTTP2 = true
			server.StartTLS()
			t.Cleanup(server.Close)
			at := netip.MustParseAddrPort(server.Listener.Addr().String())
			app.Address = mesh.Address{IP: at.Addr().String(), Port: uint32(at.Port())}
			behind(m, c.cluster, app)
			checked := m.Cluster(c.cluster)
			checked.HealthCheck.Protocol, checked.HealthCheck.Port = c.check, 0
			r := resourcesOf(t, m, "VirtualNode/demo/front")
			secured := clusterOf(t, r, c.cluster)
			secured.TransportSocket = (&translation{}).clientSocket(&mesh.ClientTLS{}, checked.Protocol)
			hurried(secured)
			envoy := start(t, r, 8080)
			realenvoy.Eventually(t, "it is well", func() bool { return envoy.stat("cluster."+c.cluster+".membership_healthy") == 1 })
			if got := envoy.stat("cluster." + c.cluster + ".health_check.failure"); got != 0 {
				t.Errorf("%d checks failed", got)
			}
		})
	}
}

// endpoints writes the pods of the checked cluster to a file, at once, as Envoy wants it.
func endpoints(t *testing.T, file string, pods ...*pod) {
	t.Helper()
	var addresses []mesh.Address
	for _, p := range pods {
		addresses = append(addresses, p.Address)
	}
	packed, err := anypb.New(loadAssignment(checkedCluster, addresses, 0))
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(&discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{packed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// TestHealthChecksAreNotTraffic holds that checks reach the application, and are not in the counters by which a release
// is judged.
func TestHealthChecksAreNotTraffic(t *testing.T) {
	m := modelOf(t, "health-checks")
	app := newPod(t, "app")
	r := resourcesOf(t, m, "VirtualNode/demo/web")
	const own = "cds_ingress_m_web_demo_http_8080"
	clusterOf(t, r, own).LoadAssignment = loadAssignment(own, []mesh.Address{app.Address}, 0)
	envoy := start(t, r, 8080)
	get := func(path, agent string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+envoy.address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", agent)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s got %d", path, answer.StatusCode)
		}
	}
	get("/healthz", "Envoy/HC")
	get("/livez", "Envoy/HC")
	if got := app.checks.Load(); got != 2 {
		t.Fatalf("%d of 2 checks reached the application", got)
	}
	get("/healthz", "curl")
	get("/other", "Envoy/HC")
	if got := envoy.stat("cluster." + own + ".upstream_rq_2xx"); got != 2 {
		t.Errorf("%d requests are counted, want the two that are no checks", got)
	}
}
