package envoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// calls is a proxy's configuration with a route /<name> to each cluster, and the model that says which virtual node each
// cluster is: one of the same name.
type calls struct {
	split
	timeout time.Duration
}

func node(name string) mesh.ObjectRef {
	return mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: "demo", Name: name}
}

func (c calls) publish(t *testing.T, p *controlPlane) {
	t.Helper()
	r, model := c.resources(), &mesh.Model{}
	var routes []*routev3.Route
	for _, name := range sortedNames(c.backends) {
		routes = append(routes, &routev3.Route{
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: "/" + name}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{
				ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: name}, Timeout: durationpb.New(c.timeout),
			}},
		})
		model.Clusters = append(model.Clusters, mesh.Cluster{Name: name, Sources: []mesh.ObjectRef{node(name)}})
	}
	for _, e := range r.Endpoints {
		if c.backends[e.GetClusterName()] == "" {
			e.Endpoints = nil
		}
	}
	r.Routes[0].VirtualHosts[0].Routes = routes
	if err := p.Publish(model, map[mesh.ProxyID]*xds.Resources{web: r}); err != nil {
		t.Fatal(err)
	}
}

// call sends n requests to a cluster at once and returns when all ended.
func (c calls) call(cluster string, n int, patience time.Duration) {
	client, done := http.Client{Timeout: patience}, make(chan struct{})
	for range n {
		go func() {
			defer func() { done <- struct{}{} }()
			req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/%s", c.port, cluster), nil)
			if err != nil {
				return
			}
			if strings.HasPrefix(cluster, "grpc") {
				req.Header.Set("content-type", "application/grpc")
			}
			resp, err := client.Do(req)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
		}()
	}
	for range n {
		<-done
	}
}

// upstream is a TCP server that treats every connection badly.
func upstream(t *testing.T, treat func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go treat(c.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

func resets(c *net.TCPConn) {
	_, _ = c.Read(make([]byte, 1))
	_ = c.SetLinger(0)
	c.Close()
}

func hangs(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

// says answers everything with the same bytes and closes.
func says(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, text)
		c.Close()
	}
}

func newCalls(t *testing.T) calls {
	t.Helper()
	return calls{timeout: time.Second, split: split{port: freePort(t), backends: map[string]string{
		"ok": backend(t, "ok"), "refuses": fmt.Sprintf("127.0.0.1:%d", freePort(t)), "resets": upstream(t, resets), "hangs": upstream(t, hangs),
	}}}
}

// seen asks about a virtual node.
func seen(p *controlPlane, name string) Load { return p.Loads([]mesh.ObjectRef{node(name)})[0] }

func TestCallersSeeWhatACanaryDoesNotTell(t *testing.T) {
	p := newControlPlane(t, nil)
	p.loads.ttl = 4 * time.Second
	c := newCalls(t)
	c.publish(t, p)
	sidecar := newSidecar(t, p, delta, "web-1.a.demo", "good")
	until(t, "it can call", func() bool {
		_, err := ask(c.port)
		return sidecar.ready() && err != nil && strings.Contains(err.Error(), "404")
	})
	c.call("ok", 3, time.Minute)
	time.Sleep(1500 * time.Millisecond)
	if sidecar.stat("load_reporter.requests") != 0 || p.counter(t, "sluice_mesh_load_reporting_proxies", "") != 0 {
		t.Error("somebody reports though nobody asked")
	}

	nodes := []mesh.ObjectRef{node("refuses"), node("resets"), node("hangs"), node("ok"), node("nowhere")}
	for _, l := range p.Loads(nodes) {
		if l.LoadCounts != (LoadCounts{}) {
			t.Errorf("what was called before anybody asked is counted: %+v", l)
		}
	}
	// The first report is that of who it is, the second says that nothing is open.
	until(t, "told", func() bool { return sidecar.stat("load_reporter.responses") == 2 && seen(p, "ok").Callers == 1 })
	c.call("ok", 10, time.Minute)
	c.call("refuses", 11, time.Minute)
	c.call("resets", 12, time.Minute)
	c.call("hangs", 13, time.Minute)
	time.Sleep(1500 * time.Millisecond)
	c.call("hangs", 14, 100*time.Millisecond)
	want := map[string]LoadCounts{
		"ok":      {Issued: 10, Succeeded: 10},
		"refuses": {Failed: 11, Unconnected: 11},
		"resets":  {Issued: 12, Failed: 12},
		"hangs":   {Issued: 27, Failed: 13, Abandoned: 14},
		"nowhere": {},
	}
	var got map[string]LoadCounts
	until(t, fmt.Sprintf("counts of %+v", want), func() bool {
		got = map[string]LoadCounts{}
		for _, l := range p.Loads(nodes) {
			got[l.Node.Name] = l.LoadCounts
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	})
	if l := seen(p, "ok"); l.Age <= 0 || l.Epoch == "" {
		t.Errorf("nobody knows since when that was counted: %+v", l)
	}

	// Nobody asks any more: it is told once to be silent, and is.
	epoch := seen(p, "ok").Epoch
	until(t, "told to be silent", func() bool {
		return sidecar.stat("load_reporter.requests") == 2 && p.counter(t, "sluice_mesh_load_reporting_proxies", "") == 0
	})
	reports := sidecar.stat("load_reporter.responses")
	c.call("ok", 5, time.Minute)
	time.Sleep(2500 * time.Millisecond)
	if now := sidecar.stat("load_reporter.responses"); now != reports {
		t.Errorf("%d more reports", now-reports)
	}
	if again := seen(p, "ok"); again.Epoch == epoch || again.LoadCounts != (LoadCounts{}) {
		t.Errorf("the next who asks does not begin anew: %+v", again)
	}
}

// What Envoy takes for a failure is what the gate takes for one.
func TestWhatEnvoyCallsAFailure(t *testing.T) {
	p := newControlPlane(t, nil)
	c := calls{timeout: time.Second, split: split{port: freePort(t), backends: map[string]string{
		"missing":       upstream(t, says("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")),
		"broken":        upstream(t, says("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")),
		"cut":           upstream(t, says("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc")),
		"closed":        upstream(t, says("")),
		"grpc-away":     upstream(t, says("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\ncontent-length: 0\r\n\r\n")),
		"grpc-missing":  upstream(t, says("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ncontent-length: 0\r\n\r\n")),
		"not-one-ready": "",
	}}}
	c.publish(t, p)
	sidecar := newSidecar(t, p, delta, "web-1.a.demo", "good")
	var nodes []mesh.ObjectRef
	for name := range c.backends {
		nodes = append(nodes, node(name))
	}
	p.Loads(nodes)
	until(t, "told", func() bool { return sidecar.stat("load_reporter.responses") == 2 && sidecar.ready() })
	for name := range c.backends {
		c.call(name, 6, time.Minute)
	}
	good, bad := LoadCounts{Issued: 6, Succeeded: 6}, LoadCounts{Issued: 6, Failed: 6}
	want := map[string]LoadCounts{
		"missing": good, "cut": good, "grpc-missing": good, "broken": bad, "closed": bad, "grpc-away": bad,
		"not-one-ready": {}, // nobody was picked, so nobody is to blame; readiness tells of that
	}
	var got map[string]LoadCounts
	counted := func() bool {
		got = map[string]LoadCounts{}
		for _, l := range p.Loads(nodes) {
			got[l.Node.Name] = l.LoadCounts
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	}
	for range 200 {
		if counted() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("got  %+v\nwant %+v", got, want)
}

// A proxy is asked about what it has and somebody wants to know, now and when that changes.
func TestNothingElseIsReported(t *testing.T) {
	p := newControlPlane(t, nil)
	c := newCalls(t)
	delete(c.backends, "resets")
	c.publish(t, p)
	sidecar := newSidecar(t, p, delta, "web-1.a.demo", "good")
	until(t, "ready", sidecar.ready)
	until(t, "told of what it has", func() bool {
		return seen(p, "resets").Callers == 0 && seen(p, "ok").Callers == 1 && sidecar.stat("load_reporter.requests") == 1
	})
	c.backends["resets"] = upstream(t, resets)
	c.publish(t, p)
	until(t, "told of what came later", func() bool { return seen(p, "resets").Callers == 1 && sidecar.stat("load_reporter.requests") == 2 })
	until(t, "it has it", func() bool { return sidecar.stat("cluster.resets.membership_total") == 1 })
	// Envoy counts from the moment when it hears of a cluster that it has; its first report may be of what was before.
	time.Sleep(1500 * time.Millisecond)
	before := seen(p, "resets").Failed
	c.call("resets", 4, time.Minute)
	until(t, "counted", func() bool { return seen(p, "resets").Failed == before+4 })
	if got := p.counter(t, "sluice_mesh_load_reports_total", reportUnasked); got != 0 {
		t.Errorf("%v reports were of something else", got)
	}
}

// Streams end by age; what was counted meanwhile comes on the next one.
func TestNoReportIsLostWhenAStreamEnds(t *testing.T) {
	p := newControlPlane(t, func(c *Config) { c.StreamAge = 3 * time.Second })
	c := newCalls(t)
	c.publish(t, p)
	sidecar := newSidecar(t, p, delta, "web-1.a.demo", "good")
	until(t, "it can call", func() bool {
		_, err := ask(c.port)
		return sidecar.ready() && err != nil && strings.Contains(err.Error(), "404")
	})
	until(t, "told", func() bool { return seen(p, "ok").Callers == 1 && sidecar.stat("load_reporter.requests") == 1 })
	sent := uint64(0)
	for sidecar.stat("load_reporter.retries") < 2 {
		c.call("ok", 1, time.Minute)
		sent++
		time.Sleep(20 * time.Millisecond)
	}
	t.Cleanup(func() { t.Logf("%d requests were sent, %+v", sent, seen(p, "ok")) })
	until(t, "all is counted", func() bool { return seen(p, "ok").Succeeded == sent })
	time.Sleep(1500 * time.Millisecond)
	if got := seen(p, "ok").Succeeded; got != sent {
		t.Errorf("%d requests are counted, %d were sent", got, sent)
	}
}

// reports is a stream of a client that is no Envoy.
type reports struct {
	loadstatsv3.LoadReportingService_StreamLoadStatsClient
}

func newReports(t *testing.T, p *controlPlane, node, token string) reports {
	t.Helper()
	ctx, cancel := context.WithTimeout(authorized(token), time.Minute)
	t.Cleanup(cancel)
	stream, err := loadstatsv3.NewLoadReportingServiceClient(dial(t, p)).StreamLoadStats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&loadstatsv3.LoadStatsRequest{Node: &corev3.Node{Id: node}}) // if it is refused already, Recv says why
	return reports{stream}
}

func (r reports) say(t *testing.T, stats ...*endpointv3.ClusterStats) {
	t.Helper()
	if err := r.Send(&loadstatsv3.LoadStatsRequest{ClusterStats: stats}); err != nil {
		t.Fatal(err)
	}
}

func failed(cluster string, n uint64) *endpointv3.ClusterStats {
	return &endpointv3.ClusterStats{ClusterName: cluster, UpstreamLocalityStats: []*endpointv3.UpstreamLocalityStats{{TotalErrorRequests: n}}}
}

func TestNobodyReportsForAnother(t *testing.T) {
	p := newControlPlane(t, nil)
	newCalls(t).publish(t, p)
	seen(p, "ok")
	for name, c := range map[string]struct{ node, token, says string }{
		"no token":                               {"web-1.a.demo", "", "expected one authorization header"},
		"a token that the cluster did not issue": {"web-1.a.demo", "forged", "token was refused: signature does not match"},
		"the node is not the token's pod":        {"web-2.demo", "good", "not the pod of the token, demo/web-1.a"},
	} {
		_, err := newReports(t, p, c.node, c.token).Recv()
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	if l := seen(p, "ok"); l.Callers != 0 {
		t.Errorf("%d strangers are asked", l.Callers)
	}
}

func TestALiarCountsAsOneCaller(t *testing.T) {
	p := newControlPlane(t, nil)
	newCalls(t).publish(t, p)
	seen(p, "ok")
	first := newReports(t, p, "web-1.a.demo", "good")
	told, err := first.Recv()
	if err != nil || strings.Join(told.GetClusters(), " ") != "ok" || told.GetSendAllClusters() || told.GetLoadReportingInterval().AsDuration() != time.Second {
		t.Fatalf("told %v, %v: want one cluster, every second", told, err)
	}
	first.say(t, failed("ok", 5), failed("resets", 7), failed("nonsense", 7))
	until(t, "counted, and nothing that nobody asked about", func() bool {
		return seen(p, "ok").Failed == 5 && p.counter(t, "sluice_mesh_load_reports_total", reportUnasked) == 2
	})
	second := newReports(t, p, "web-1.a.demo", "good")
	if _, err := second.Recv(); err != nil {
		t.Fatal(err)
	}
	first.say(t, failed("ok", 5))
	if _, err := first.Recv(); err != nil {
		t.Errorf("the pod's older stream is not told to say its last: %v", err)
	}
	if _, err := first.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the pod's older stream: %v, want its ordinary end", err)
	}
	if got := seen(p, "ok").Callers; got != 1 {
		t.Errorf("one pod is %d callers", got)
	}
	second.say(t, failed("ok", 1<<63))
	if _, err := second.Recv(); err == nil || !strings.Contains(err.Error(), "cannot be true") {
		t.Errorf("an impossible report: %v", err)
	}
	if got := seen(p, "ok"); got.Failed != 5 || p.counter(t, "sluice_mesh_load_reports_total", reportImpossible) != 1 {
		t.Errorf("an impossible report counts: %+v", got)
	}
	until(t, "it is forgotten", func() bool { return seen(p, "ok").Callers == 0 })
}
