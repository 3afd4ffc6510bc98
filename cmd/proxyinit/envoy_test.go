package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"github.com/vishvananda/netns"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
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
	pod, outside := newNamespace(t), newNamespace(t)
	connect(t, pod, outside)
	serve(t, pod, ends4, ends4.loopback, 8080) // the application, where Envoy looks for it
	for _, e := range []ends{ends4, ends6} {
		serve(t, outside, e, e.outside, 80)
	}
	// Envoy runs as the user of this test, hence as root, and the application as somebody else.
	s, err := readSettings(environment("APPMESH_APP_PORTS", "8080", "APPMESH_IGNORE_UID", "0", "APPMESH_ENABLE_IPV6", "1"))
	must(t, err)
	apply(t, pod, build(s))
	admin := startEnvoy(t, pod, family)

	for _, e := range []ends{ends4, ends6} {
		incoming := dialled{host: e.pod, to: 8080}
		if got, err := incoming.dial(t, outside, e); err != nil || got != "8080 for 127.0.0.1:8080" {
			t.Errorf("%s, incoming: got %q %v", e.network, got, err)
		}
		outgoing := dialled{host: e.outside, to: 80, uid: 1000}
		if got, err := outgoing.dial(t, pod, e); err != nil || got != "80 for "+net.JoinHostPort(e.outside, "80") {
			t.Errorf("%s, outgoing: got %q %v", e.network, got, err)
		}
		// A virtual node that is its own backend: Envoy dials the address of its own pod.
		own := dialled{host: e.pod, to: 8080, uid: 0}
		if got, err := own.dial(t, pod, e); err != nil || got != "8080 for 127.0.0.1:8080" {
			t.Errorf("%s, own backend: got %q %v", e.network, got, err)
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

// startEnvoy runs Envoy in the namespace as the sidecar of a virtual node with one TCP port, and returns the client of
// its admin socket once it listens.
func startEnvoy(t *testing.T, pod netns.NsHandle, family mesh.AddressFamily) *http.Client {
	t.Helper()
	id := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "web"}
	resources, err := xds.Translate(&mesh.Model{IPv6: true, Nodes: []mesh.Node{{
		ID: id, Mesh: "m", Name: "web", Addresses: family, AllowAll: true,
		Ingress: []mesh.IngressPort{{Port: 8080, Protocol: mesh.TCP, Cluster: "cds_ingress_m_web_tcp_8080"}},
	}}}, id)
	must(t, err)
	static, err := protojson.Marshal(&bootstrapv3.Bootstrap_StaticResources{Listeners: resources.Listeners, Clusters: resources.Clusters})
	must(t, err)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	config, err := json.Marshal(map[string]any{
		"admin": map[string]any{"address": map[string]any{"pipe": map[string]any{"path": socket}}}, "static_resources": json.RawMessage(static),
	})
	must(t, err)
	inNamespace(t, pod, func() {
		realenvoy.Start(t, "--config-yaml", string(config), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
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
