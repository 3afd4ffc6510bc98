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
	"strings"
	"sync"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// expanded puts variables in as Kubernetes does.
func expanded(text string, variables map[string]string) string {
	return regexp.MustCompile(`\$\$|\$\(\w+\)`).ReplaceAllStringFunc(text, func(s string) string {
		if s == "$$" {
			return "$"
		}
		if value, ok := variables[s[2:len(s)-1]]; ok {
			return value
		}
		return s
	})
}

// TestTracing lets requests pass a real Envoy with each tracer, and looks at what a collector and the application get.
func TestTracing(t *testing.T) {
	tests := map[string]struct {
		tracer sluice.Tracer
		// path and content are what the collector must get, header what the application must.
		path, content, header string
	}{
		"Jaeger":        {sluice.TracerJaeger, "/api/v2/spans", `"serviceName":"web"`, "X-B3-Traceid"},
		"Datadog":       {sluice.TracerDatadog, "/v0.4/traces", "envoy-m/web", "X-Datadog-Trace-Id"},
		"OpenTelemetry": {sluice.TracerOpenTelemetry, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "m/web", "Traceparent"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			collector := startCollector(t)
			s := startTraced(t, BootstrapConfig{Tracer: tc.tracer, TracingSampling: 1}, collector.variables())
			realenvoy.Eventually(t, "the collector gets a span", func() bool {
				s.request(t)
				return collector.got(tc.path, tc.content)
			})
			if s.header(tc.header) == "" {
				t.Errorf("the application gets no %s", tc.header)
			}
		})
	}
	t.Run("a share of none", func(t *testing.T) {
		t.Parallel()
		collector := startCollector(t)
		s := startTraced(t, BootstrapConfig{Tracer: sluice.TracerDatadog}, collector.variables())
		for range 50 {
			s.request(t)
		}
		if got := s.header("X-Datadog-Sampling-Priority"); got == "1" || got == "2" {
			t.Errorf("a request is marked as one to keep: %s", got)
		}
	})
	t.Run("no tracer", func(t *testing.T) {
		t.Parallel()
		s := startTraced(t, BootstrapConfig{}, nil)
		s.request(t)
		for _, h := range []string{"X-B3-Traceid", "Traceparent", "X-Datadog-Trace-Id"} {
			if got := s.header(h); got != "" {
				t.Errorf("%s: got %q", h, got)
			}
		}
	})
}

// TestStatistics looks at names and labels, as Prometheus and as a DogStatsD daemon see them.
func TestStatistics(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		way              sluice.Statsd
		network, address string
		gateway          bool
	}{
		{way: sluice.StatsdUDP, network: "udp", address: "127.0.0.1:0"},
		{way: sluice.StatsdSocket, network: "unixgram", address: filepath.Join(dir, "dsd.socket"), gateway: true},
	} {
		t.Run(string(tc.way), func(t *testing.T) {
			daemon, err := net.ListenPacket(tc.network, tc.address)
			must(t, err)
			t.Cleanup(func() { _ = daemon.Close() })
			variables := map[string]string{sluice.EnvMesh: "m", sluice.EnvProxy: "web_demo", sluice.EnvStatsdSocketPath: tc.address}
			if at, err := netip.ParseAddrPort(daemon.LocalAddr().String()); err == nil {
				variables[sluice.EnvStatsdAddress], variables[sluice.EnvStatsdPort] = at.Addr().String(), fmt.Sprint(at.Port())
			}
			s := startTraced(t, BootstrapConfig{Statsd: tc.way, StatsTags: true, Gateway: tc.gateway}, variables)
			kind := "virtual_node"
			if tc.gateway {
				kind = "virtual_gateway"
			}
			// Envoy sends names without what became labels.
			want := regexp.MustCompile(`envoy\.http\.downstream_rq_completed:[1-9]\d*\|c\|#\S*appmesh\.` + kind + `:web_demo`)
			buffer := make([]byte, 1<<16)
			realenvoy.Eventually(t, "the daemon hears of a request", func() bool {
				s.request(t) // each flush has what is new, and a datagram may get lost
				must(t, daemon.SetReadDeadline(time.Now().Add(2*time.Second)))
				for {
					n, _, err := daemon.ReadFrom(buffer)
					if err != nil || want.Match(buffer[:n]) {
						return err == nil
					}
				}
			})
			_, text, err := request(http.DefaultClient, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d", s.config.StatsPort), "/stats/prometheus?filter=downstream_rq_completed")
			must(t, err)
			for _, label := range []string{
				`appmesh_mesh="m"`, `appmesh_` + kind + `="web_demo"`, `envoy_http_conn_manager_prefix="ingress"`,
				`appmesh_listener_protocol="http"`, fmt.Sprintf(`appmesh_listener_port="%d"`, s.port),
			} {
				if !strings.Contains(text, label) {
					t.Errorf("no label %s in\n%s", label, text)
				}
			}
		})
	}
}

// traced is a sidecar in front of an application with two ports.
type traced struct {
	*proxy
	address string
	port    uint32

	mu      sync.Mutex
	headers http.Header
}

// startTraced runs Envoy with the bootstrap, and with the listener of a virtual node, which comes as a file, as users'
// additions to the bootstrap do.
func startTraced(t *testing.T, config BootstrapConfig, variables map[string]string) *traced {
	t.Helper()
	realenvoy.Path(t)
	s := &traced{}
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.headers = r.Header
	}))
	t.Cleanup(app.Close)
	s.port = uint32(netip.MustParseAddrPort(app.Listener.Addr().String()).Port())
	id := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}
	r, err := Translate(&mesh.Model{Nodes: []mesh.Node{{ID: id, Mesh: "m", Name: "web", Ingress: []mesh.IngressPort{
		{Port: s.port, Protocol: mesh.HTTP, Cluster: "cds_ingress_m_web_http"}, {Port: 1, Protocol: mesh.TCP, Cluster: "cds_ingress_m_web_tcp_1"},
	}}}}, id)
	must(t, err)
	to := realenvoy.FreePort(t)
	s.address = fmt.Sprintf("http://127.0.0.1:%d/", to)
	r.Listeners = []*listenerv3.Listener{relocate(t, r.Listeners, s.port, to)}
	file := filepath.Join(t.TempDir(), "envoy.json")
	standalone, err := Static(r)
	must(t, err)
	added, err := JSON(&bootstrapv3.Bootstrap{StaticResources: standalone.StaticResources})
	must(t, err)
	must(t, os.WriteFile(file, added, 0o600))

	ca := newAuthority(t, "ca")
	control := startMesh(t, ca)
	control.answer()
	s.proxy = newProxy(t, "localhost", control.port)
	s.publish(t, ca.pem, "token")
	config.Host, config.Port, config.StatsPort, config.AdminSocket, config.ProxyDir = "localhost", control.port, s.config.StatsPort, s.config.AdminSocket, s.config.ProxyDir
	text, err := Bootstrap(config)
	must(t, err)
	realenvoy.Start(t, "--config-path", file, "--config-yaml", expanded(string(text), variables), "--service-node", "web-1.demo",
		"--service-cluster", "web", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
	realenvoy.Eventually(t, "ready", func() bool {
		status, err := s.ready()
		return err == nil && status == http.StatusOK
	})
	return s
}

func (s *traced) request(t *testing.T) {
	t.Helper()
	response, err := http.Get(s.address)
	must(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("got %s", response.Status)
	}
}

func (s *traced) header(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.headers.Get(name)
}

// collector takes whatever tracers send, by HTTP/1.1 and HTTP/2.
type collector struct {
	port int
	mu   sync.Mutex
	seen map[string]string
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{seen: map[string]string{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c.port = listener.Addr().(*net.TCPAddr).Port
	server := &http.Server{ReadHeaderTimeout: time.Minute, Protocols: &http.Protocols{}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.seen[r.URL.Path] += string(body)
		c.mu.Unlock()
		if r.ProtoMajor == 2 {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		}
		_, _ = w.Write(make([]byte, 5)) // an empty message of gRPC; the others do not look
	})}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Shutdown(context.Background()) })
	return c
}

func (c *collector) variables() map[string]string {
	port := fmt.Sprint(c.port)
	return map[string]string{
		sluice.EnvJaegerAddress: "localhost", sluice.EnvJaegerPort: port,
		sluice.EnvDatadogAddress: "127.0.0.1", sluice.EnvDatadogPort: port, sluice.EnvDatadogService: "envoy-m/web",
		sluice.EnvOpenTelemetryAddress: "127.0.0.1", sluice.EnvOpenTelemetryPort: port, sluice.EnvOpenTelemetryService: "m/web",
	}
}

func (c *collector) got(path, content string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Contains(c.seen[path], content)
}
