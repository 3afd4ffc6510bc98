package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/vishvananda/netns"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/podnet"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestEnvoyBehindTheRules lets a real Envoy, with the listeners that mesh would send it, take what the rules redirect,
// over both families: the application is called through its ingress, and calls through its egress.
func TestEnvoyBehindTheRules(t *testing.T) {
	for name, family := range map[string]mesh.AddressFamily{"a mesh without a preference": "", "a mesh that wants IPv6": mesh.IPv6} {
		t.Run(name, func(t *testing.T) { redirectToEnvoy(t, family) })
	}
}

func redirectToEnvoy(t *testing.T, family mesh.AddressFamily) {
	realenvoy.Path(t)
	pod, outside := podnet.New(t), podnet.New(t)
	podnet.Connect(t, pod, outside)
	podnet.Serve(t, pod, podnet.IPv4, podnet.IPv4.Loopback, 8080) // the application, where Envoy looks for it
	for _, e := range []podnet.Ends{podnet.IPv4, podnet.IPv6} {
		podnet.Serve(t, outside, e, e.Outside, 80)
	}
	// Envoy runs as the user of this test, hence as root, and the application as somebody else.
	redirectPod(t, pod, "APPMESH_APP_PORTS", "8080", "APPMESH_IGNORE_UID", "0", "APPMESH_ENABLE_IPV6", "1")
	admin := startEnvoy(t, pod, mesh.Node{Addresses: family, AllowAll: true, Ingress: []mesh.IngressPort{
		{Port: 8080, Protocol: mesh.TCP, Cluster: "cds_ingress_m_web_tcp_8080"},
	}})

	for _, e := range []podnet.Ends{podnet.IPv4, podnet.IPv6} {
		incoming := podnet.Dial{Host: e.Pod, To: 8080}
		if got, err := incoming.From(t, outside, e); err != nil || got != "8080 for 127.0.0.1:8080" {
			t.Errorf("%s, incoming: got %q %v", e.Network, got, err)
		}
		outgoing := podnet.Dial{Host: e.Outside, To: 80, UID: 1000}
		if got, err := outgoing.From(t, pod, e); err != nil || got != "80 for "+net.JoinHostPort(e.Outside, "80") {
			t.Errorf("%s, outgoing: got %q %v", e.Network, got, err)
		}
		// A virtual node that is its own backend: Envoy dials the address of its own pod.
		own := podnet.Dial{Host: e.Pod, To: 8080, UID: 0}
		if got, err := own.From(t, pod, e); err != nil || got != "8080 for 127.0.0.1:8080" {
			t.Errorf("%s, own backend: got %q %v", e.Network, got, err)
		}
	}
	for name, want := range map[string]string{
		"cluster.cds_ingress_m_web_tcp_8080.upstream_cx_total":  "4",
		"cluster.cds_egress_m_mesh-allow-all.upstream_cx_total": "2",
	} {
		if got := counter(t, admin, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestProbesUnderStrictTLS: the kubelet, which is outside of the pod and has no certificate, gets its answers where an
// application takes TLS only; nobody gets anything else without it, and probes are not counted as the application's requests.
func TestProbesUnderStrictTLS(t *testing.T) {
	realenvoy.Path(t)
	pod, outside := podnet.New(t), podnet.New(t)
	podnet.Connect(t, pod, outside)
	podnet.In(t, pod, func() {
		listener, err := net.Listen("tcp4", "127.0.0.1:8080")
		if err != nil {
			t.Errorf("listen: %v", err)
			return
		}
		app := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Path)
		})}
		go func() { _ = app.Serve(listener) }()
		t.Cleanup(func() { _ = app.Close() })
	})
	redirectPod(t, pod, "APPMESH_APP_PORTS", "8080", "APPMESH_IGNORE_UID", "0", "APPMESH_ENABLE_IPV6", "1")
	const cluster = "cds_ingress_m_web_http_8080"
	admin := startEnvoy(t, pod, mesh.Node{Ingress: []mesh.IngressPort{
		{Port: 8080, Protocol: mesh.HTTP, Cluster: cluster, TLS: &mesh.ServerTLS{Mode: mesh.TLSStrict, Certificate: selfSigned(t)}},
	}}, sluice.Probe{Path: "/probe/web/liveness", Port: 8080, Target: "/healthz"})

	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is not what is tested
		DialContext: func(_ context.Context, network, address string) (conn net.Conn, err error) {
			podnet.In(t, outside, func() { conn, err = net.DialTimeout(network, address, 3*time.Second) })
			return conn, err
		},
	}}
	get := func(url string) string {
		response, err := client.Get(url)
		if err != nil {
			return "none"
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		must(t, err)
		return fmt.Sprintf("%d %s", response.StatusCode, text)
	}
	for _, e := range []podnet.Ends{podnet.IPv4, podnet.IPv6} {
		for path, want := range map[string]string{
			"http://" + net.JoinHostPort(e.Pod, "15021") + "/probe/web/liveness": "200 /healthz",
			"http://" + net.JoinHostPort(e.Pod, "15021") + "/healthz":            "404 ",
			"http://" + net.JoinHostPort(e.Pod, "8080") + "/healthz":             "none",
			"https://" + net.JoinHostPort(e.Pod, "8080") + "/healthz":            "200 /healthz",
		} {
			if got := get(path); got != want {
				t.Errorf("%s: got %q, want %q", path, got, want)
			}
		}
	}
	if got := counter(t, admin, "cluster."+cluster+".upstream_rq_total"); got != "2" {
		t.Errorf("the application had %s requests of users, want the 2 with TLS", got)
	}
}

// selfSigned writes a certificate and its key to files.
func selfSigned(t *testing.T) mesh.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"web"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir := t.TempDir()
	out := mesh.Certificate{Chain: filepath.Join(dir, "chain.pem"), Key: filepath.Join(dir, "key.pem")}
	must(t, os.WriteFile(out.Chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(out.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return out
}

// startEnvoy runs Envoy in the namespace as the sidecar of the virtual node, with the probes that it passes on, and
// returns the client of its admin socket once it listens.
func startEnvoy(t *testing.T, pod netns.NsHandle, node mesh.Node, probes ...sluice.Probe) *http.Client {
	t.Helper()
	node.ID, node.Mesh, node.Name = mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}, "m", "web"
	resources, err := xds.Translate(&mesh.Model{IPv6: true, Nodes: []mesh.Node{node}}, node.ID)
	must(t, err)
	bootstrap, err := xds.Static(resources)
	must(t, err)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	bootstrap.Admin.Address = &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: socket}}}
	text, err := xds.JSON(bootstrap)
	must(t, err)
	parts, err := xds.NewProbes(xds.BootstrapConfig{IPv6: true})
	must(t, err)
	config := parts.AddTo(string(text), probes)
	podnet.In(t, pod, func() {
		realenvoy.Start(t, "--config-yaml", config, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
	})
	admin := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	realenvoy.Eventually(t, "envoy listens", func() bool { return counter(t, admin, "listener_manager.workers_started") == "1" })
	return admin
}

// counter is the value of one of Envoy's statistics; empty if it has none of that name.
func counter(t *testing.T, admin *http.Client, name string) string {
	t.Helper()
	response, err := admin.Get("http://admin/stats?filter=" + name)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func redirectPod(t *testing.T, pod netns.NsHandle, env ...string) {
	t.Helper()
	if code, said := runIn(t, pod, environment(env...)); code != exitDone {
		t.Fatalf("redirect: got %d, %s", code, said)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
