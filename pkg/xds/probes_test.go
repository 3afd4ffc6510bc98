package xds

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"pgregory.net/rapid"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestProbes asks a real Envoy what the kubelet asks, and what others might try on that port.
func TestProbes(t *testing.T) {
	realenvoy.Path(t)
	plain := httptest.NewServer(probed("plain"))
	secure := httptest.NewTLSServer(probed("secure"))
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	checks, grpcPort := startHealth(t)
	ca := newAuthority(t, "ca")
	control := startMesh(t, ca)
	control.answer()
	p := newProxy(t, "localhost", control.port)
	p.publish(t, ca.pem, "token")
	p.config.ProbePort = realenvoy.FreePort(t)
	text, err := Bootstrap(p.config)
	must(t, err)
	parts, err := NewProbes(p.config)
	must(t, err)
	with := parts.AddTo(string(text), []sluice.Probe{
		{Path: "/probe/web/liveness", Port: portOfServer(t, plain), Target: "/healthz"},
		{Path: "/probe/web/readiness", Port: portOfServer(t, plain), Target: "/a//b/../$(HOME)"},
		{Path: "/probe/web/startup", Port: portOfServer(t, plain), Target: "/moved"},
		{Path: "/probe/admin/liveness", Port: portOfServer(t, secure), Target: "/healthz", TLS: true},
		{Port: grpcPort, GRPC: true},
		{Path: "/probe/gone/liveness", Port: 1, Target: "/healthz"},
	})
	realenvoy.Start(t, "--config-yaml", expanded(with, nil), "--service-node", "web-1.demo", "--service-cluster", "web",
		"--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
	realenvoy.Eventually(t, "ready", func() bool {
		status, err := p.ready()
		return err == nil && status == http.StatusOK
	})
	address := fmt.Sprintf("127.0.0.1:%d", p.config.ProbePort)
	for name, q := range map[string]struct {
		method, path, want string
	}{
		"a probe, with its query and headers":   {"GET", "/probe/web/liveness?full=1", "200 plain /healthz?full=1 probe.example mine"},
		"a path that is left as it was written": {"GET", "/probe/web/readiness", "200 plain /a//b/../$(HOME) probe.example mine"},
		"a redirection is a success":            {"GET", "/probe/web/startup", "302 plain /moved probe.example mine"},
		"HTTPS":                                 {"GET", "/probe/admin/liveness", "200 secure /healthz probe.example mine"},
		"an application that is not there":      {"GET", "/probe/gone/liveness", "503 "},
		"what the application has besides":      {"GET", "/healthz", "404 "},
		"another probe":                         {"GET", "/probe/web", "404 "},
		"a path behind a probe":                 {"GET", "/probe/web/liveness/../secret", "404 "},
		"another method":                        {"POST", "/probe/web/liveness", "404 "},
	} {
		if got := askProbe(t, q.method, address, q.path); !strings.HasPrefix(got, q.want) || q.want[4:] != "" && got != q.want {
			t.Errorf("%s: got %q, want %q", name, got, q.want)
		}
	}
	checkGRPC(t, checks, address)
}

// probed tells what it was asked.
func probed(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		}
		_, _ = fmt.Fprintf(w, "%s %s %s %s", name, r.RequestURI, r.Host, r.Header.Get("X-Mine"))
	})
}

func askProbe(t *testing.T, method, address, path string) string {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+address, nil)
	must(t, err)
	req.URL.Opaque, req.Host = path, "probe.example"
	req.Header.Set("X-Mine", "mine")
	client := &http.Client{Timeout: 5 * time.Second} // it follows redirections, as the kubelet does
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body := make([]byte, 200)
	n, _ := resp.Body.Read(body)
	return fmt.Sprintf("%d %s", resp.StatusCode, body[:n])
}

// checkGRPC asks for the health of a service, and for what is not its health.
func checkGRPC(t *testing.T, checks *health.Server, address string) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	defer conn.Close()
	client := healthv1.NewHealthClient(conn)
	for _, want := range []healthv1.HealthCheckResponse_ServingStatus{healthv1.HealthCheckResponse_SERVING, healthv1.HealthCheckResponse_NOT_SERVING} {
		checks.SetServingStatus("shop", want)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		got, err := client.Check(ctx, &healthv1.HealthCheckRequest{Service: "shop"})
		cancel()
		if err != nil || got.GetStatus() != want {
			t.Errorf("health: got %v %v, want %v", got, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := client.List(ctx, &healthv1.HealthListRequest{}); err == nil {
		t.Error("another method of the service passes")
	}
}

func startHealth(t *testing.T) (*health.Server, int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server, checks := grpc.NewServer(), health.NewServer()
	healthv1.RegisterHealthServer(server, checks)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return checks, int32(l.Addr().(*net.TCPAddr).Port)
}

func portOfServer(t *testing.T, s *httptest.Server) int32 {
	t.Helper()
	return int32(netip.MustParseAddrPort(s.Listener.Addr().String()).Port())
}

// TestProbesAreText: what a probe asks for stays what it is, whatever it looks like, and no probe changes nothing.
func TestProbesAreText(t *testing.T) {
	config := BootstrapConfig{Host: "mesh", Port: 1}
	text, err := Bootstrap(config)
	must(t, err)
	parts, err := NewProbes(config)
	must(t, err)
	if got := parts.AddTo(string(text), nil); got != string(text) {
		t.Errorf("without a probe the text becomes\n%s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := sluice.Probe{
			Path: "/probe/web/liveness", Target: "/" + rapid.String().Draw(t, "target"), Port: rapid.Int32Range(1, 65535).Draw(t, "port"), TLS: rapid.Bool().Draw(t, "tls"),
		}
		var got struct {
			StaticResources struct {
				Listeners []struct {
					FilterChains []struct {
						Filters []struct {
							TypedConfig struct {
								RouteConfig struct {
									VirtualHosts []struct{ Routes []json.RawMessage } `json:"virtual_hosts"`
								} `json:"route_config"`
							} `json:"typed_config"`
						}
					} `json:"filter_chains"`
				}
			} `json:"static_resources"`
		}
		if err := json.Unmarshal([]byte(expanded(parts.AddTo(string(text), []sluice.Probe{p}), nil)), &got); err != nil {
			t.Fatal(err)
		}
		route := got.StaticResources.Listeners[0].FilterChains[0].Filters[0].TypedConfig.RouteConfig.VirtualHosts[0].Routes[0]
		want, err := JSON(probeRoute(p))
		if err != nil {
			t.Skip("Envoy's API takes no such text")
		}
		if !bytes.Equal(route, want) {
			t.Fatalf("got %s, want %s", route, want)
		}
	})
}

// BenchmarkProbes is what an admission adds for a pod with probes.
func BenchmarkProbes(b *testing.B) {
	config := BootstrapConfig{Host: "mesh", Port: 1}
	text, err := Bootstrap(config)
	if err != nil {
		b.Fatal(err)
	}
	parts, err := NewProbes(config)
	if err != nil {
		b.Fatal(err)
	}
	probes := []sluice.Probe{{Path: "/probe/web/liveness", Port: 8080, Target: "/healthz"}, {Path: "/probe/web/readiness", Port: 8080, Target: "/readyz"}}
	for b.Loop() {
		parts.AddTo(string(text), probes)
	}
}
