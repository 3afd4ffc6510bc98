package xds

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/golden"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

func TestBootstrapIsTheSameEveryTime(t *testing.T) {
	config := BootstrapConfig{Host: "sluice-mesh.sluice-system.svc", Port: sluice.XDSPort}
	first, err := Bootstrap(config)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, _ := Bootstrap(config); !bytes.Equal(first, again) {
			t.Fatalf("got\n%s\nthen\n%s", first, again)
		}
	}
	if bytes.ContainsRune(first, '\n') {
		t.Error("the text has more than one line")
	}
}

// TestBootstrapGolden shows the whole text, in YAML, to whoever reviews a change of it.
func TestBootstrapGolden(t *testing.T) {
	dir := filepath.Join("testdata", "bootstrap")
	files := golden.Files{In: filepath.Join(dir, "*.in.yaml"), InSuffix: ".in.yaml", Out: dir}
	golden.RunFiles(t, files, func(t *testing.T, in []byte) []byte {
		var config BootstrapConfig
		must(t, yaml.UnmarshalStrict(in, &config))
		compact, err := Bootstrap(config)
		must(t, err)
		out, err := yaml.JSONToYAML(compact)
		must(t, err)
		return out
	})
}

func TestBootstrapNeedsAHost(t *testing.T) {
	if _, err := Bootstrap(BootstrapConfig{}); err == nil || !strings.Contains(err.Error(), "host and port") {
		t.Errorf("got %v", err)
	}
}

func TestEnvoyAcceptsTheBootstrap(t *testing.T) {
	realenvoy.Validate(t, newProxy(t, "127.0.0.1", 1).bootstrap(t))
}

// TestProxyStartsAndRotates follows a proxy from its start, before mesh answers, to the rotation of all it was given.
func TestProxyStartsAndRotates(t *testing.T) {
	oldCA, newCA := newAuthority(t, "old"), newAuthority(t, "new")
	mesh := startMesh(t, oldCA)
	p := newProxy(t, "localhost", mesh.port)
	p.publish(t, oldCA.pem, "token-1")
	envoy := realenvoy.Start(t, "--config-yaml", p.bootstrap(t), "--service-node", "web-1.demo", "--service-cluster", "web",
		"--disable-hot-restart", "--concurrency", "1", "--log-level", "info")

	// mesh has the request and keeps silent: the port stays closed.
	realenvoy.Eventually(t, "envoy asks mesh", func() bool { return mesh.lastToken() != "" })
	if got := mesh.lastToken(); got != "Bearer token-1" {
		t.Errorf("authorization: got %q, want the token with its scheme", got)
	}
	if got := mesh.lastNode(); got != "web-1.demo" {
		t.Errorf("node: got %q", got)
	}
	time.Sleep(500 * time.Millisecond)
	if _, err := p.ready(); err == nil {
		t.Error("the stats port answers before the first configuration")
	}
	if status, _, err := p.admin(http.MethodGet, "/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("admin /ready before the first configuration: got %d %v", status, err)
	}

	mesh.answer()
	realenvoy.Eventually(t, "ready after the first configuration", func() bool {
		status, err := p.ready()
		return err == nil && status == http.StatusOK
	})
	checkStatsPort(t, p)

	// The kubelet renews the token and mesh drops the stream: the next one carries the new token.
	p.publish(t, oldCA.pem, "token-2")
	realenvoy.Eventually(t, "the new token is used", func() bool {
		mesh.drop()
		return mesh.lastToken() == "Bearer token-2"
	})

	// The authority changes: both are trusted, then mesh shows the new certificate.
	p.publish(t, append(bytes.Clone(oldCA.pem), newCA.pem...), "token-3")
	mesh.use(newCA)
	realenvoy.Eventually(t, "the new authority is trusted", func() bool {
		mesh.drop()
		return mesh.lastToken() == "Bearer token-3"
	})
	for _, line := range strings.Split(envoy.Output(), "\n") {
		if strings.Contains(line, "[warning]") && !strings.Contains(line, "StreamAggregatedResources") && !strings.Contains(line, "DeltaAggregatedResources") {
			t.Errorf("envoy warns: %s", line)
		}
	}
}

// TestProxyRefusesAnImpostor: a server with a certificate of the right authority but another name gets no token.
func TestProxyRefusesAnImpostor(t *testing.T) {
	ca := newAuthority(t, "ca")
	mesh := startMesh(t, ca)
	p := newProxy(t, "localhost", mesh.port)
	p.config.ServerName = "sluice-mesh.sluice-system.svc"
	p.publish(t, ca.pem, "token")
	realenvoy.Start(t, "--config-yaml", p.bootstrap(t), "--service-node", "web-1.demo", "--service-cluster", "web",
		"--disable-hot-restart", "--concurrency", "1", "--log-level", "info")
	realenvoy.Eventually(t, "envoy refuses the certificate", func() bool {
		status, body, err := p.admin(http.MethodGet, "/stats?filter=sluice_xds.ssl.fail_verify_san$")
		return err == nil && status == http.StatusOK && !strings.Contains(body, ": 0") && body != ""
	})
	if got := mesh.lastToken(); got != "" {
		t.Errorf("the token was sent: %q", got)
	}
}

func checkStatsPort(t *testing.T, p *proxy) {
	t.Helper()
	requests := map[string]struct {
		method, path string
		want         int
	}{
		"stats":                                {"GET", "/stats", 200},
		"stats for Prometheus":                 {"GET", "/stats/prometheus?usedonly", 200},
		"server info":                          {"GET", "/server_info", 200},
		"ready":                                {"GET", "/ready", 200},
		"a POST where GET is allowed":          {"POST", "/stats", 405},
		"a POST to ready":                      {"POST", "/ready", 405},
		"stopping the process":                 {"POST", "/quitquitquit", 404},
		"the configuration with its secrets":   {"GET", "/config_dump", 404},
		"draining":                             {"POST", "/drain_listeners", 404},
		"a path that climbs":                   {"POST", "/stats/../quitquitquit", 404},
		"a path that climbs in disguise":       {"POST", "/stats/..%2fquitquitquit", 400},
		"a path that only begins like another": {"GET", "/statsd", 404},
		"resetting counters":                   {"POST", "/stats/recentlookups/clear", 405},
	}
	for name, r := range requests {
		if got, err := p.do(r.method, r.path); err != nil || got != r.want {
			t.Errorf("%s: %s %s: got %d %v, want %d", name, r.method, r.path, got, err, r.want)
		}
	}
}
