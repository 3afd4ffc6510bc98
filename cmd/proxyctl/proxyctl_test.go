package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/realenvoy"
)

func TestSumActive(t *testing.T) {
	tests := map[string]struct {
		text  string
		want  int
		error string
	}{
		"nothing":                           {"", 0, ""},
		"the two ways of a sidecar":         {"http.egress.downstream_rq_active: 2\nhttp.ingress.downstream_rq_active: 3\n", 5, ""},
		"questions about Envoy itself":      {"http.admin.downstream_rq_active: 1\nhttp.sluice_stats.downstream_rq_active: 1\n", 0, ""},
		"a manager named like the admin's":  {"http.admin_api.downstream_rq_active: 1\n", 1, ""},
		"other statistics with that ending": {"listener.admin.x.downstream_rq_active: 1\n", 0, ""},
		"a value that is no number":         {"http.ingress.downstream_rq_active: many\n", 0, "read statistic"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := sumActive(tc.text)
			if got != tc.want || (err == nil) != (tc.error == "") || err != nil && !strings.Contains(err.Error(), tc.error) {
				t.Errorf("got %d %v, want %d %s", got, err, tc.want, tc.error)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	nowhere := "--admin=" + filepath.Join(t.TempDir(), "none.sock")
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"help teaches":                        {[]string{"drain", "--help"}, 0, "a native sidecar"},
		"an unknown command":                  {[]string{"stop"}, 2, `unknown command "stop"`},
		"an unknown flag":                     {[]string{"drain", "--forever"}, 2, "unknown flag: --forever"},
		"a missing path":                      {[]string{"get"}, 2, "accepts 1 arg(s)"},
		"no Envoy":                            {[]string{"get", "/stats", nowhere}, 1, "reach envoy at"},
		"no Envoy to drain":                   {[]string{"drain", nowhere}, 1, "start the drain: reach envoy at"},
		"waiting for an Envoy that is not up": {[]string{"wait", "--timeout=300ms", nowhere}, 1, "wait for envoy"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			code, out := proxyctl(tc.args...)
			if code != tc.code || !strings.Contains(out, tc.want) {
				t.Errorf("got %d: %s", code, out)
			}
		})
	}
}

func proxyctl(args ...string) (int, string) {
	var out bytes.Buffer
	code := run(context.Background(), args, &out, &out)
	return code, out.String()
}

// gateway is a real Envoy in front of a server whose answers take as long as their path says.
type gateway struct {
	url, socket string
}

func startGateway(t *testing.T) *gateway {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(strings.TrimPrefix(r.URL.Path, "/"))
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "done")
	}))
	t.Cleanup(upstream.Close)
	port := realenvoy.FreePort(t)
	g := &gateway{url: fmt.Sprintf("http://127.0.0.1:%d", port), socket: filepath.Join(t.TempDir(), "admin.sock")}
	_, upstreamPort, _ := net.SplitHostPort(upstream.Listener.Addr().String())
	realenvoy.Start(t, "--config-yaml", fmt.Sprintf(envoyConfig, g.socket, port, upstreamPort), "--disable-hot-restart",
		"--concurrency", "1", "--log-level", "info", "--drain-strategy", "immediate")
	if code, out := proxyctl("wait", "--timeout=1m", "--admin="+g.socket); code != 0 {
		t.Fatalf("wait: %d: %s", code, out)
	}
	return g
}

const envoyConfig = `
admin: {address: {pipe: {path: %s}}}
static_resources:
  listeners:
  - name: gateway
    address: {socket_address: {address: 127.0.0.1, port_value: %d}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: app, timeout: 0s}}]}]}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: app
    load_assignment: {cluster_name: app, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %s}}}}]}]}
`

// get makes a request on a connection of its own.
func (g *gateway) get(path string) (status int, closes bool, err error) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get(g.url + path)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Close, err
}

// inBackground starts a request and returns once Envoy has it.
func (g *gateway) inBackground(t *testing.T, path string) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		status, _, err := g.get(path)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		result <- err
	}()
	realenvoy.Eventually(t, "the request is in flight", func() bool {
		n, err := newAdmin(g.socket).inFlight(context.Background())
		return err == nil && n == 1
	})
	return result
}

func (g *gateway) drainInBackground(args ...string) <-chan string {
	result := make(chan string, 1)
	go func() {
		code, out := proxyctl(append([]string{"drain", "--admin=" + g.socket}, args...)...)
		result <- fmt.Sprintf("%d: %s", code, out)
	}()
	return result
}

// TestDrainOfAGateway: it serves on while callers still come, then takes nobody in, and ends after the last answer.
func TestDrainOfAGateway(t *testing.T) {
	g := startGateway(t)
	slow := g.inBackground(t, "/3s")
	start := time.Now()
	drained := g.drainInBackground("--delay=1s", "--deadline=20s")
	realenvoy.Eventually(t, "answers close their connections", func() bool {
		status, closes, err := g.get("/0s")
		if err != nil || status != http.StatusOK {
			t.Fatalf("a request during the delay: %d %v", status, err)
		}
		return closes
	})
	realenvoy.Eventually(t, "nobody is taken in any more", func() bool { _, _, err := g.get("/0s"); return err != nil })
	if d := time.Since(start); d < time.Second {
		t.Errorf("the listeners closed after %v, before the delay was over", d)
	}
	select {
	case out := <-drained:
		t.Errorf("the drain ended while a request was in flight: %s", out)
	default:
	}
	if err := <-slow; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	if out := <-drained; !strings.HasPrefix(out, "0: drained in") {
		t.Errorf("got %s", out)
	}
	if d := time.Since(start); d > 15*time.Second {
		t.Errorf("the drain took %v, although the last request took 3s", d)
	}
}

// TestDrainOfASidecar: it ends at once when nothing is in flight, and the application can still be reached.
func TestDrainOfASidecar(t *testing.T) {
	g := startGateway(t)
	start := time.Now()
	if out := <-g.drainInBackground("--keep-listening", "--deadline=20s"); !strings.HasPrefix(out, "0: drained in") {
		t.Errorf("got %s", out)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("an idle sidecar drained for %v", d)
	}
	if status, closes, err := g.get("/0s"); err != nil || status != http.StatusOK || !closes {
		t.Errorf("a request after the drain: %d, closes %v, %v", status, closes, err)
	}
}

// TestDrainEndsAtTheDeadline, and says that requests were cut.
func TestDrainEndsAtTheDeadline(t *testing.T) {
	g := startGateway(t)
	slow := g.inBackground(t, "/20s")
	start := time.Now()
	if out := <-g.drainInBackground("--delay=5s", "--deadline=1s"); !strings.HasPrefix(out, "3: ") || !strings.Contains(out, "requests were in flight at the deadline: 1") {
		t.Errorf("got %s", out)
	}
	if d := time.Since(start); d < time.Second || d > 5*time.Second {
		t.Errorf("the drain ended after %v", d)
	}
	_ = slow // ends with Envoy
}

func TestGet(t *testing.T) {
	g := startGateway(t)
	if code, out := proxyctl("get", "server_info", "--admin="+g.socket); code != 0 || !strings.Contains(out, `"state": "LIVE"`) {
		t.Errorf("got %d: %s", code, out)
	}
	if code, out := proxyctl("get", "/nowhere", "--admin="+g.socket); code != 1 || !strings.Contains(out, "envoy answers 404") {
		t.Errorf("got %d: %s", code, out)
	}
}
