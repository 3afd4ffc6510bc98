package xds

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	secretservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	typesv3 "github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	sotwv3 "github.com/envoyproxy/go-control-plane/pkg/server/sotw/v3"
	"google.golang.org/grpc"

	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestSecretsOfTheMachine: a node whose certificate comes from the secret discovery service of its machine starts without
// that service, refuses connections, and serves when the service comes.
func TestSecretsOfTheMachine(t *testing.T) {
	realenvoy.Path(t)
	certs := newCertificates(t)
	certs.issue(t, "spire", "spire.demo.svc.cluster.local")
	certs.issue(t, "front", "spiffe://demo/front")
	certs.issue(t, "stranger", "spiffe://demo/stranger")
	dir, err := os.MkdirTemp("", "sds") // short: a socket's path may have 107 characters
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent.sock")

	// Without the socket in the pod there is no cluster for it either.
	unmounted := sidecar{name: "tls-listeners", node: "spire", port: 8080, certs: certs, app: application(t, "spire")}.start(t)
	if got := get(t, "https", unmounted, certs.client(t, "front", "spire.demo.svc.cluster.local")); got != "refused" {
		t.Errorf("without a socket: got %q", got)
	}

	at := sidecar{name: "tls-listeners", node: "spire", port: 8080, certs: certs, app: application(t, "spire"), sds: socket}.start(t)
	front := certs.client(t, "front", "spire.demo.svc.cluster.local")
	if got := get(t, "https", at, front); got != "refused" {
		t.Errorf("without a certificate: got %q", got)
	}
	serveSecrets(t, socket, certs)
	realenvoy.Eventually(t, "the certificate came", func() bool { return get(t, "https", at, front) == "spire h2" })
	if got := get(t, "https", at, certs.client(t, "stranger", "spire.demo.svc.cluster.local")); got != "refused" {
		t.Errorf("with a name that is not accepted: got %q", got)
	}
}

// agent serves the variant of the protocol that we ask for.
type agent struct {
	secretservicev3.UnimplementedSecretDiscoveryServiceServer
	server sotwv3.Server
}

// StreamSecrets serves one stream.
func (a *agent) StreamSecrets(stream secretservicev3.SecretDiscoveryService_StreamSecretsServer) error {
	return a.server.StreamHandler(stream, resource.SecretType)
}

// serveSecrets is the agent of the machine, with what the case names.
func serveSecrets(t *testing.T, socket string, certs *certificates) {
	t.Helper()
	inline := func(folder, name string) *corev3.DataSource {
		content, err := os.ReadFile(filepath.Join(certs.dir, folder, name))
		must(t, err)
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: content}}
	}
	cache := cachev3.NewLinearCache(resource.SecretType, cachev3.WithInitialResources(map[string]typesv3.Resource{
		"spiffe://demo/spire": &tlsv3.Secret{Name: "spiffe://demo/spire", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline("spire", "tls.crt"), PrivateKey: inline("spire", "tls.key"),
		}}},
		"spiffe://demo": &tlsv3.Secret{Name: "spiffe://demo", Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: inline("ca", "ca.crt"),
		}}},
	}))
	l, err := net.Listen("unix", socket)
	must(t, err)
	server := grpc.NewServer()
	secretservicev3.RegisterSecretDiscoveryServiceServer(server, &agent{server: sotwv3.NewServer(t.Context(), cache, nil)})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
}

// TestTLSAtTheGateway: a gateway takes TLS, shows what it is asked to, and calls the mesh by its own policy.
func TestTLSAtTheGateway(t *testing.T) {
	realenvoy.Path(t)
	certs := newCertificates(t)
	certs.issue(t, "edge", "edge.example.com")
	certs.issue(t, "client", "somebody.example.com")
	certs.issue(t, "strict", "strict.demo.svc.cluster.local")
	strict := newTap(t, sidecar{name: "tls-policies", node: "strict", port: 8080, certs: certs, app: application(t, "strict")}.start(t))
	plain := newTap(t, sidecar{name: "tls-policies", node: "plain", port: 8080, certs: certs, app: application(t, "plain")}.start(t))
	taps := map[string]*tap{"strict": strict, "plain": plain}

	mutual := sidecar{name: "tls-policies", gateway: "edge", port: 8443, certs: certs, taps: taps}.start(t)
	permissive := sidecar{name: "tls-policies", gateway: "edge", port: 8444, certs: certs, taps: taps}.start(t)
	anybody, somebody := certs.client(t, "", "edge.example.com"), certs.client(t, "client", "edge.example.com")
	for sentence, c := range map[string]struct{ got, want string }{
		"mutual, without a certificate": {get(t, "https", mutual+"/strict", anybody), "refused"},
		"mutual, with one":              {get(t, "https", mutual+"/strict", somebody), "strict h2"},
		"permissive, with TLS":          {get(t, "https", permissive+"/strict", anybody), "strict h2"},
		"permissive, without":           {get(t, "http", permissive+"/strict", nil), "strict"},
		"a server without TLS":          {get(t, "https", permissive+"/plain", anybody), "503 h2"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", sentence, c.got, c.want)
		}
	}
	if strict.kind() != "TLS" || plain.kind() != "TLS" {
		t.Errorf("the gateway called strict with %s and plain with %s, want TLS", strict.kind(), plain.kind())
	}
}
