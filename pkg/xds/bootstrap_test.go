package xds

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
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
	p := newProxy(t, "127.0.0.1", 1)
	for name, reporting := range map[string]bool{"without load reporting": false, "with load reporting": true} {
		t.Run(name, func(t *testing.T) {
			p.config.LoadReporting = reporting
			realenvoy.Validate(t, p.bootstrap(t))
		})
	}
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
	if _, err := p.get("/ready"); err == nil {
		t.Error("the stats port answers before the first configuration")
	}
	if status, _, err := p.admin(http.MethodGet, "/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("admin /ready before the first configuration: got %d %v", status, err)
	}

	mesh.answer()
	realenvoy.Eventually(t, "ready after the first configuration", func() bool {
		status, err := p.get("/ready")
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

// proxy is what the pod of an Envoy has: its volume and its bootstrap.
type proxy struct {
	config  BootstrapConfig
	version int
}

func newProxy(t *testing.T, host string, port uint32) *proxy {
	t.Helper()
	dir := t.TempDir()
	p := &proxy{config: BootstrapConfig{
		Host: host, Port: port, StatsPort: realenvoy.FreePort(t),
		AdminSocket: filepath.Join(dir, "admin.sock"), ProxyDir: filepath.Join(dir, "proxy"),
	}}
	p.publish(t, newAuthority(t, "nobody").pem, "none")
	return p
}

func (p *proxy) bootstrap(t *testing.T) string {
	t.Helper()
	text, err := Bootstrap(p.config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// publish writes the volume the way the kubelet does: a new folder, then one renamed symbolic link.
func (p *proxy) publish(t *testing.T, ca []byte, token string) {
	t.Helper()
	p.version++
	folder := fmt.Sprintf("..%d", p.version)
	files := map[string]string{
		sluice.CAFile:          string(ca),
		sluice.TokenFile:       token,
		sluice.CASecretFile:    strings.ReplaceAll(CASecretYAML(), sluice.ProxyDir, p.config.ProxyDir),
		sluice.TokenSecretFile: strings.ReplaceAll(TokenSecretYAML(), sluice.ProxyDir, p.config.ProxyDir),
	}
	must(t, os.MkdirAll(filepath.Join(p.config.ProxyDir, folder), 0o755))
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(p.config.ProxyDir, folder, name), []byte(text), 0o644))
		if p.version == 1 {
			must(t, os.Symlink("..data/"+name, filepath.Join(p.config.ProxyDir, name)))
		}
	}
	tmp := filepath.Join(p.config.ProxyDir, "..data_tmp")
	must(t, os.Symlink(folder, tmp))
	must(t, os.Rename(tmp, filepath.Join(p.config.ProxyDir, "..data")))
}

func (p *proxy) get(path string) (int, error) { return p.do(http.MethodGet, path) }

func (p *proxy) do(method, path string) (int, error) {
	status, _, err := request(&http.Client{Timeout: 5 * time.Second}, method, fmt.Sprintf("http://127.0.0.1:%d", p.config.StatsPort), path)
	return status, err
}

func (p *proxy) admin(method, path string) (int, string, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.config.AdminSocket)
		},
	}}
	return request(client, method, "http://admin", path)
}

func request(client *http.Client, method, base, path string) (int, string, error) {
	req, err := http.NewRequest(method, base, nil)
	if err != nil {
		return 0, "", err
	}
	req.URL.Opaque = path // as it is: the client must not clean it
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authority signs one certificate for localhost.
type authority struct {
	pem  []byte
	leaf tls.Certificate
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mesh"}, DNSNames: []string{"localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	must(t, err)
	return authority{
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		leaf: tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key},
	}
}

// fakeMesh is an ADS server that says nothing until it is told to, and then that there is nothing.
type fakeMesh struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	port uint32

	mu          sync.Mutex
	leaf        tls.Certificate
	token, node string
	speak       chan struct{}
	dropped     chan struct{}
}

func startMesh(t *testing.T, ca authority) *fakeMesh {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	m := &fakeMesh{
		port: uint32(l.Addr().(*net.TCPAddr).Port), leaf: ca.leaf,
		speak: make(chan struct{}), dropped: make(chan struct{}),
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		leaf := m.leaf
		return &leaf, nil
	}})), grpc.MaxConcurrentStreams(1000))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, m)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return m
}

func (m *fakeMesh) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	m.mu.Lock()
	m.token = strings.Join(md.Get("authorization"), ",")
	dropped := m.dropped
	m.mu.Unlock()
	requests := make(chan *discoveryv3.DeltaDiscoveryRequest)
	go func() {
		defer close(requests)
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			requests <- r
		}
	}()
	for {
		select {
		case <-dropped:
			return nil
		case r, ok := <-requests:
			if !ok {
				return nil
			}
			if err := m.reply(stream, r); err != nil {
				return err
			}
		}
	}
}

func (m *fakeMesh) reply(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer, r *discoveryv3.DeltaDiscoveryRequest) error {
	m.mu.Lock()
	if r.GetNode().GetId() != "" {
		m.node = r.GetNode().GetId()
	}
	m.mu.Unlock()
	if r.GetResponseNonce() != "" {
		return nil
	}
	<-m.speak
	return stream.Send(&discoveryv3.DeltaDiscoveryResponse{TypeUrl: r.GetTypeUrl(), Nonce: "1"})
}

func (m *fakeMesh) answer() { close(m.speak) }

func (m *fakeMesh) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.dropped)
	m.dropped = make(chan struct{})
}

func (m *fakeMesh) use(ca authority) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaf = ca.leaf
}

func (m *fakeMesh) lastToken() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token
}

func (m *fakeMesh) lastNode() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node
}
