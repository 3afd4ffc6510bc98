package telemetry

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// startSidecar runs the Envoy of a virtual node in front of an application, with what mesh would send it, on an address of its
// own. Nobody redirects to it, so its listener takes the port of the application itself, which is free at this address.
func startSidecar(t *testing.T, node mesh.NodeListener, namespace, address string) {
	t.Helper()
	id := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: namespace, Name: node.Node}
	resources, err := xds.Translate(&mesh.Model{Nodes: []mesh.Node{{
		ID: id, Mesh: node.Mesh, Name: node.Node, AllowAll: true,
		Ingress: []mesh.IngressPort{{Port: node.Port, Protocol: node.Protocol, Cluster: node.IngressCluster()}},
	}}}, id)
	if err != nil {
		t.Fatal(err)
	}
	var ingress []*listenerv3.Listener
	for _, l := range resources.Listeners {
		if l.GetName() == mesh.IngressListenerName {
			l.Address, ingress = socket(address, node.Port), append(ingress, l)
		}
	}
	resources.Listeners = ingress
	bootstrap, err := xds.Static(resources)
	if err != nil || len(ingress) == 0 {
		t.Fatalf("%d listeners, %v", len(ingress), err)
	}
	bootstrap.Admin = &bootstrapv3.Admin{Address: socket(address, sluice.StatsPort)}
	text, err := protojson.Marshal(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "envoy.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	realenvoy.Start(t, "-c", file, "--log-level", "warning", "--use-dynamic-base-id", "--concurrency", "1", "--service-node", node.Node, "--service-cluster", "test")
}

// startGateway runs the Envoy of a virtual gateway's pod, which asks mesh for everything, with what the kubelet would give it.
func startGateway(t *testing.T, pod, namespace, address, token string, ca []byte, meshPort uint32, meshName string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		sluice.CAFile: string(ca), sluice.TokenFile: token,
		sluice.CASecretFile:    strings.ReplaceAll(xds.CASecretYAML(), sluice.ProxyDir, dir),
		sluice.TokenSecretFile: strings.ReplaceAll(xds.TokenSecretYAML(), sluice.ProxyDir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bootstrap, err := xds.Bootstrap(xds.BootstrapConfig{
		Host: "localhost", Port: meshPort, ServerName: meshName, AdminSocket: filepath.Join(dir, "admin.sock"), ProxyDir: dir, Gateway: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	// Its statistics are at the pod's address only, because the other pods have theirs on the same machine.
	text := strings.ReplaceAll(string(bootstrap), "0.0.0.0", address)
	realenvoy.Start(t, "--config-yaml", text, "--service-node", pod+"."+namespace, "--service-cluster", "test",
		"--log-level", "warning", "--use-dynamic-base-id", "--concurrency", "1")
}

func socket(address string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// application answers, now and then with a failure, on a port that is free on the loopback interface.
func application(t *testing.T) uint32 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1)%50 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, "hello")
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return uint32(listener.Addr().(*net.TCPAddr).Port)
}
