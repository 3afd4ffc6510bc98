package envoy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	realenvoy.Eventually(t, what, ok)
}

// serverName is in the certificate of the control plane.
const serverName = "sluice-mesh.sluice-system.svc"

// fakeCluster knows tokens and bindings; the real ones are tested against a real API server in pkg/kube/mesh.
type fakeCluster struct {
	tokens map[string]PodIdentity
	proxy  mesh.ProxyID
}

func (c fakeCluster) Verify(_ context.Context, token string) (PodIdentity, error) {
	pod, ok := c.tokens[token]
	if !ok {
		return PodIdentity{}, errors.New("signature does not match")
	}
	return pod, nil
}

func (c fakeCluster) ProxyOf(_ context.Context, pod PodIdentity) (mesh.ProxyID, error) {
	if c.proxy.Name == "" {
		return mesh.ProxyID{}, fmt.Errorf("pod %s/%s is bound to nothing", pod.Namespace, pod.Name)
	}
	return c.proxy, nil
}

var (
	web     = mesh.ProxyID{Kind: "VirtualNode", Namespace: "demo", Name: "web"}
	webPod  = PodIdentity{Namespace: "demo", Name: "web-1.a", UID: "u1", ServiceAccount: "default"}
	cluster = fakeCluster{tokens: map[string]PodIdentity{"good": webPod}, proxy: web}
)

// controlPlane is a Server on a port that survives its restart.
type controlPlane struct {
	*Server
	dir, address string
	metrics      *prometheus.Registry
	stop         func()
}

// newControlPlane makes a directory with the files of an authority and starts a server.
func newControlPlane(t *testing.T, change func(*Config)) *controlPlane {
	t.Helper()
	p := &controlPlane{dir: t.TempDir(), address: "127.0.0.1:0"}
	writeCertificates(t, p.dir)
	p.start(t, change)
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *controlPlane) start(t *testing.T, change func(*Config)) {
	t.Helper()
	certificate, err := LoadCertificate(filepath.Join(p.dir, "tls.crt"), filepath.Join(p.dir, "tls.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var listener net.Listener
	until(t, "listen", func() bool { listener, err = net.Listen("tcp", p.address); return err == nil })
	p.address = listener.Addr().String()
	p.metrics = prometheus.NewRegistry()
	config := Config{Certificate: certificate.Get, Verifier: cluster, Binder: cluster, Drain: 100 * time.Millisecond, Metrics: p.metrics}
	if change != nil {
		change(&config)
	}
	p.Server = NewServer(config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, listener) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// acked waits until the proxy has acknowledged what is published of a type, and returns the version.
func (p *controlPlane) acked(t *testing.T, typeName, not string) string {
	t.Helper()
	var version string
	until(t, typeName+" acknowledged", func() bool {
		for _, s := range p.Status() {
			if got := s.Types[typeName]; got.Acked != "" && got.Acked == got.Sent && got.Acked != not {
				version = got.Acked
				return true
			}
		}
		return false
	})
	return version
}

// counter sums a counter, a gauge, or the observations of a histogram, over its labels or over those with one value.
func (p *controlPlane) counter(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := p.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func writeCertificates(t *testing.T, dir string) {
	t.Helper()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sluice-mesh"}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{serverName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write("ca.crt", "CERTIFICATE", caDER)
	write("tls.crt", "CERTIFICATE", der)
	write("tls.key", "PRIVATE KEY", keyDER)
}

// sidecar is a running Envoy with the bootstrap that sidecars get.
type sidecar struct {
	admin     *http.Client
	statsPort int
}

// The two variants of the protocol. Sidecars use the first; the second is what a foreign bootstrap may choose.
const (
	delta = "DELTA_GRPC"
	sotw  = "GRPC"
)

// newSidecar starts an Envoy that asks the control plane with a token, as a node, in one of the protocol variants.
func newSidecar(t *testing.T, p *controlPlane, variant, node, token string) *sidecar {
	t.Helper()
	dir, err := os.MkdirTemp("", "envoy") // short: a socket's path may have 107 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ca, err := os.ReadFile(filepath.Join(p.dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		sluice.CAFile:          string(ca),
		sluice.TokenFile:       token,
		sluice.CASecretFile:    strings.ReplaceAll(xds.CASecretYAML(), sluice.ProxyDir, dir),
		sluice.TokenSecretFile: strings.ReplaceAll(xds.TokenSecretYAML(), sluice.ProxyDir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(p.address)
	number, _ := strconv.Atoi(port)
	socket, statsPort := filepath.Join(dir, "admin.sock"), realenvoy.FreePort(t)
	bootstrap, err := xds.Bootstrap(xds.BootstrapConfig{
		Host: "localhost", Port: uint32(number), ServerName: serverName, AdminSocket: socket, ProxyDir: dir, StatsPort: statsPort,
	})
	if err != nil {
		t.Fatal(err)
	}
	config := strings.ReplaceAll(string(bootstrap), `"`+delta+`"`, `"`+variant+`"`)
	realenvoy.Start(t, "--config-yaml", config, "--service-node", node, "--service-cluster", "web", "--disable-hot-restart",
		"--concurrency", "1", "-l", "warning", "--drain-time-s", "1")
	return &sidecar{statsPort: int(statsPort), admin: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// get asks the admin interface and returns status and body; 0 when it does not answer.
func (s *sidecar) get(path string) (int, string) {
	resp, err := s.admin.Get("http://admin" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func (s *sidecar) ready() bool {
	code, _ := s.get("/ready")
	return code == http.StatusOK
}

// stat returns one counter or gauge.
func (s *sidecar) stat(name string) int {
	_, body := s.get("/stats?format=json&filter=^" + strings.ReplaceAll(name, ".", "\\.") + "$")
	var out struct {
		Stats []struct {
			Name  string `json:"name"`
			Value int    `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || len(out.Stats) != 1 {
		return -1
	}
	return out.Stats[0].Value
}

// backend is an HTTP server that answers with its name.
func backend(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func freePort(t *testing.T) int { return int(realenvoy.FreePort(t)) }

// ask sends a request through the sidecar's listener.
func ask(port int) (string, error) {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return string(body), err
}

// underLoad sends requests through the sidecar's listener until the returned function is called, which gives the first
// failure.
func underLoad(port int) func() error {
	stop, failed := make(chan struct{}), make(chan error, 1)
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := ask(port); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	return func() error {
		close(stop)
		load.Wait()
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}
}
