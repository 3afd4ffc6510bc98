package xds

import (
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
	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

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
	return expanded(string(text), nil)
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

func (p *proxy) ready() (int, error) { return p.do(http.MethodGet, "/ready") }

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
	loadstatsv3.UnimplementedLoadReportingServiceServer
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
	loadstatsv3.RegisterLoadReportingServiceServer(server, m)
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

// StreamLoadStats never wants to know anything.
func (m *fakeMesh) StreamLoadStats(stream loadstatsv3.LoadReportingService_StreamLoadStatsServer) error {
	<-stream.Context().Done()
	return nil
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
