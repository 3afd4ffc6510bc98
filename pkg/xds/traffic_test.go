package xds

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// call is what a client sends, and what must come back: "<virtual node> <path with query> <host>" from the
// application that answered, or the status if none did.
type call struct {
	method, url, host, header string
	// balanced is set if the request comes from a load balancer that ended TLS.
	balanced bool
	// grpc makes it a call by gRPC, as far as a route can tell.
	grpc bool
	want string
}

// TestGatewayRewrites sends requests through the joined routes of a gateway, and looks at what applications see.
func TestGatewayRewrites(t *testing.T) {
	serve(t, "gateway-join", "VirtualGateway/demo/edge", 8088, map[string]call{
		"whole path behind a prefix":         {url: "/shop/login", want: "v2 /login app.demo"},
		"longer prefix and its header":       {url: "/shop/api/x", header: "x", want: "v2 /api/x app.demo"},
		"longer prefix without its header":   {url: "/shop/api/x", want: "v1 /api/x app.demo"},
		"expression sees the rewritten path": {url: "/shop/img/a?q=1", want: "v2 /img/a?q=1 app.demo"},
		"prefix without a slash":             {url: "/shop", want: "v1 / app.demo"},
		"prefix with a slash":                {url: "/shop/?q=1", want: "v1 /?q=1 app.demo"},
		"prefix that is kept":                {url: "/api/z", want: "v1 /api/z app.demo"},
		"method of the gateway's route":      {method: http.MethodPost, url: "/get/q", want: "v1 /q app.demo"},
		"another method":                     {url: "/get/q", want: "404"},
		"prefix that becomes another":        {url: "/m/z", header: "x", want: "v2 /api/z app.demo"},
		"whole path":                         {url: "/login", want: "v2 /login app.demo"},
		"two expressions":                    {url: "/img/a?q=1", want: "v2 /img/a?q=1 app.demo"},
		"only one of two expressions":        {url: "/img/b", want: "404"},
		"behind a load balancer":             {url: "/login?forwarded", balanced: true, want: "v2 /login?forwarded app.demo https 2"},
		"without a load balancer":            {url: "/login?forwarded", want: "v2 /login?forwarded app.demo http 1"},
		"call by gRPC, whose host is kept":   {url: "/pkg.Echo/Say", header: "x", grpc: true, want: "v1 /pkg.Echo/Say any.example.com"},
		"call by gRPC without the metadata":  {url: "/pkg.Echo/Say", grpc: true, want: "grpc-status 12"},
		"another service of gRPC":            {url: "/pkg.Other/Say", header: "x", grpc: true, want: "grpc-status 12"},
		"its path without gRPC":              {url: "/pkg.Echo/Say", header: "x", want: "404"},
		"path that is normalised":            {url: "/x/../shop//login", want: "v2 /login app.demo"},
	})
}

// TestGatewayHosts sends requests to hosts: the narrowest pattern has the say, and ports do not count.
func TestGatewayHosts(t *testing.T) {
	serve(t, "gateway-routes", "VirtualGateway/demo/edge", 8088, map[string]call{
		"any host":                  {url: "/color/red", host: "unknown.org", want: "v1 /red color.demo"},
		"any host, with a port":     {url: "/color/red", host: "unknown.org:30080", want: "v1 /red color.demo"},
		"suffix, with a port":       {url: "/s/x", host: "a.example.com:30080", want: "v1 /x color.demo"},
		"suffix elsewhere":          {url: "/s/x", host: "a.example.org", want: "v1 /s/x color.demo"},
		"host is kept":              {url: "/kept/x", host: "a.example.org", want: "v1 /kept/x a.example.org"},
		"whole path becomes a path": {url: "/old?q=1", host: "a.example.org", want: "v1 /new?q=1 color.demo"},
		"expression becomes a path": {url: "/w/a/b", host: "a.example.org", want: "v1 /w color.demo"},
		"both slash forms, value":   {url: "/v1", host: "a.example.org", want: "v1 /v2/ color.demo"},
	})
}

// TestGatewaySplits counts who answers behind an exposed virtual service whose annotations give the canary 30 %.
func TestGatewaySplits(t *testing.T) {
	m := modelOf(t, "expose-split")
	for _, arm := range []string{"primary", "canary"} {
		behind(m, "cds_egress_m_podinfo-"+arm+"_demo_http_9898", newPod(t, arm))
	}
	envoy := start(t, resourcesOf(t, m, "VirtualGateway/demo/edge"), 8080)
	got := envoy.answering(400, "app.example.com")
	// Five standard deviations from what is expected.
	if n := got["canary"]; n < 75 || n > 165 || got["canary"]+got["primary"] != 400 {
		t.Errorf("callers got %v", got)
	}
}

// TestTCPIsShared counts which virtual node gets connections that a router shares 9 to 1.
func TestTCPIsShared(t *testing.T) {
	m := modelOf(t, "tcp")
	for i, e := range m.Endpoints {
		m.Endpoints[i].Addresses = []mesh.Address{greeter(t, strings.Split(e.Cluster, "_")[3])}
	}
	envoy := start(t, resourcesOf(t, m, "VirtualNode/demo/front"), 5432)
	got := map[string]int{}
	for range 200 {
		text, err := io.ReadAll(dial(t, envoy.address))
		if err != nil {
			t.Fatal(err)
		}
		got[string(text)]++
	}
	// Four standard deviations and more from what is expected.
	if n := got["pg2"]; n < 3 || n > 45 || got["pg"]+n != 200 {
		t.Errorf("connections went to %v", got)
	}
}

// greeter serves TCP: it says its name and closes.
func greeter(t *testing.T, name string) mesh.Address {
	t.Helper()
	return serveTCP(t, func(c net.Conn) { _, _ = io.WriteString(c, name) })
}

// TestEgressHosts sends requests as an application behind a sidecar does: the host in them decides.
func TestEgressHosts(t *testing.T) {
	serve(t, "flagger-podinfo", "VirtualNode/demo/flagger-loadtester", 9898, map[string]call{
		"short name":            {url: "/", host: "podinfo-canary", want: "podinfo-canary / podinfo-canary"},
		"short name and port":   {url: "/", host: "podinfo-canary:9898", want: "podinfo-canary / podinfo-canary:9898"},
		"qualified name":        {url: "/a", host: "podinfo-canary.demo", want: "podinfo-canary /a podinfo-canary.demo"},
		"name in upper case":    {url: "/a", host: "PODINFO-canary.demo.svc", want: "podinfo-canary /a PODINFO-canary.demo.svc"},
		"full name and port":    {url: "/a", host: "podinfo-canary.demo.svc.cluster.local:9898", want: "podinfo-canary /a podinfo-canary.demo.svc.cluster.local:9898"},
		"behind a gateway":      {url: "/?forwarded", host: "podinfo-canary", balanced: true, want: "podinfo-canary /?forwarded podinfo-canary https 1"},
		"unknown under DROPALL": {url: "/", host: "example.com", want: "404"},
	})
}

// serve runs one listener of a golden case in a real Envoy, with an application of ours behind each virtual node.
func serve(t *testing.T, name, proxy string, port uint32, requests map[string]call) {
	t.Helper()
	m := modelOf(t, name)
	for i, e := range m.Endpoints {
		// cds_egress_<mesh>_<node>_<namespace>_<protocol>_<port>; the cases have no underscores in these.
		m.Endpoints[i].Addresses = []mesh.Address{application(t, strings.Split(e.Cluster, "_")[3])}
	}
	envoy := start(t, resourcesOf(t, m, proxy), port)
	for sentence, q := range requests {
		t.Run(sentence, func(t *testing.T) {
			if got := send(t, envoy.address, q); got != q.want {
				t.Errorf("got %q, want %q", got, q.want)
			}
		})
	}
}

// modelOf reads the model of a golden case.
func modelOf(t *testing.T, name string) *mesh.Model {
	t.Helper()
	realenvoy.Path(t)
	in, err := os.ReadFile(filepath.Join("..", "mesh", "testdata", name+".out.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return parseModel(t, in)
}

func resourcesOf(t *testing.T, m *mesh.Model, proxy string) *Resources {
	t.Helper()
	var id mesh.ProxyID
	if err := id.UnmarshalText([]byte(proxy)); err != nil {
		t.Fatal(err)
	}
	r, err := Translate(m, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// running is an Envoy with one listener.
type running struct {
	t *testing.T
	// address of the listener, and of the admin page.
	address, admin string
}

// start runs the listener that takes a port in a real Envoy, on another port.
func start(t *testing.T, r *Resources, port uint32) *running {
	t.Helper()
	to, admin := realenvoy.FreePort(t), realenvoy.FreePort(t)
	e := &running{t: t, address: fmt.Sprintf("127.0.0.1:%d", to), admin: fmt.Sprintf("127.0.0.1:%d", admin)}
	r.Listeners = []*listenerv3.Listener{relocate(t, r.Listeners, port, to)}
	bootstrap := bootstrapOf(t, r)
	bootstrap.Admin = &bootstrapv3.Admin{Address: socket("0.0.0.0", admin)}
	file := filepath.Join(t.TempDir(), "envoy.json")
	if err := os.WriteFile(file, rendered(t, bootstrap), 0o600); err != nil {
		t.Fatal(err)
	}
	realenvoy.Start(t, "-c", file, "--log-level", "warning", "--use-dynamic-base-id", "--concurrency", "1", "--service-node", "test", "--service-cluster", "test")
	realenvoy.Eventually(t, "envoy listens", func() bool {
		c, err := net.Dial("tcp", e.address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return e
}

// stat reads a counter or gauge.
func (e *running) stat(name string) int {
	e.t.Helper()
	answer, err := http.Get("http://" + e.admin + "/stats?filter=^" + regexp.QuoteMeta(name) + "$")
	if err != nil {
		e.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	_, value, _ := strings.Cut(string(body), ": ")
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil {
		e.t.Fatalf("envoy has no statistic %s: %q", name, body)
	}
	return n
}

// relocate moves the listener that takes a port to a free one. Without redirection the port of the connection is that
// of the listener, so that the chains find it as they would find the original one.
func relocate(t *testing.T, listeners []*listenerv3.Listener, port, to uint32) *listenerv3.Listener {
	t.Helper()
	for _, l := range listeners {
		takes := l.GetAddress().GetSocketAddress().GetPortValue() == port
		for _, chain := range l.GetFilterChains() {
			if p := chain.GetFilterChainMatch().GetDestinationPort(); p != nil && p.GetValue() == port {
				p.Value, takes = to, true
			}
		}
		if takes {
			l.Address = socket("0.0.0.0", to)
			relocateInspector(l, port, to)
			return l
		}
	}
	t.Fatalf("no listener takes port %d", port)
	return nil
}

// relocateInspector lets a TLS inspector look at the new port if it looked at the old one.
func relocateInspector(l *listenerv3.Listener, port, to uint32) {
	for _, filter := range l.GetListenerFilters() {
		on := filter.GetFilterDisabled().GetNotMatch()
		for _, rule := range append(on.GetOrMatch().GetRules(), on) {
			if r := rule.GetDestinationPortRange(); r.GetStart() == int32(port) {
				r.Start, r.End = int32(to), int32(to)+1
			}
		}
	}
}

func application(t *testing.T, name string) mesh.Address {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s", name, r.URL.RequestURI(), r.Host)
		if r.URL.RawQuery == "forwarded" {
			from := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
			_, _ = fmt.Fprintf(w, " %s %d", r.Header.Get("X-Forwarded-Proto"), len(from))
		}
	}))
	t.Cleanup(server.Close)
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	return mesh.Address{IP: at.Addr().String(), Port: uint32(at.Port())}
}

func send(t *testing.T, address string, q call) string {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, q.method, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Opaque sends the path as it is written; parsed, it would arrive normalised.
	r.URL.Opaque = q.url
	r.Host = q.host
	if q.host == "" {
		r.Host = "any.example.com"
	}
	if q.header != "" {
		r.Header.Set(q.header, "1")
	}
	if q.grpc {
		r.Method = http.MethodPost
		r.Header.Set("Content-Type", "application/grpc")
	}
	if q.balanced {
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprint(answer.StatusCode)
	}
	if status := answer.Header.Get("Grpc-Status"); status != "" {
		return "grpc-status " + status
	}
	return string(body)
}
