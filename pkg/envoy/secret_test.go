package envoy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/sluice-mesh/sluice/pkg/xds"
)

// secure adds a listener that shows the certificate in a folder. Its secret has the name of the listener.
func (s split) secure(r *xds.Resources, name, dir string) int {
	plain := s.listener()
	r.Listeners = append(r.Listeners, &listenerv3.Listener{
		Name: name, Address: plain.GetAddress(),
		FilterChains: []*listenerv3.FilterChain{{
			Filters: plain.GetFilterChains()[0].GetFilters(),
			TransportSocket: tlsSocket(&tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
				TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{Name: name, SdsConfig: fromADS()}},
			}}),
		}},
	})
	r.Secrets = append(r.Secrets, &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: filename(dir, "tls.crt"), PrivateKey: filename(dir, "tls.key"), WatchedDirectory: &corev3.WatchedDirectory{Path: dir},
	}}})
	return s.port
}

// renew writes new certificates into a folder as the kubelet does: what is watched sees one rename.
func renew(t *testing.T, dir string) {
	t.Helper()
	next, err := os.MkdirTemp(dir, "..")
	if err != nil {
		t.Fatal(err)
	}
	writeCertificates(t, next)
	for _, name := range []string{"ca.crt", "tls.crt", "tls.key"} {
		_ = os.Symlink("..data/"+name, filepath.Join(dir, name))
	}
	link := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(next), link); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

// serial is that of the certificate which a listener shows, or why it shows none.
func serial(port int) string {
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // any will do
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// written is the serial number of the certificate in a folder.
func written(t *testing.T, dir string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.String()
}

// A listener whose certificate is missing takes nothing else with it, and comes when the certificate does.
func TestAMissingCertificateIsAlone(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, func(c *Config) { c.SecretRetry = 2 * time.Second })
		config := split{port: freePort(t), weights: map[string]uint32{"a": 1}, backends: map[string]string{"a": backend(t, "a")}}
		r := config.resources()
		dirs, ports := map[string]string{}, map[string]int{}
		for _, name := range []string{"early", "late", "nowhere", "usual"} {
			dirs[name] = t.TempDir()
			ports[name] = split{port: freePort(t)}.secure(r, name, dirs[name])
		}
		renew(t, dirs["early"])
		renew(t, dirs["usual"])
		if err := os.Remove(dirs["nowhere"]); err != nil {
			t.Fatal(err)
		}
		p.publish(t, r)
		sidecar := newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "ready", sidecar.ready)
		for _, name := range []string{"early", "usual"} {
			until(t, name+" shows its certificate", func() bool { return serial(ports[name]) == written(t, dirs[name]) })
		}
		until(t, "the plain port answers", func() bool { body, _ := ask(config.port); return body == "a" })
		refused := func() (names []string) {
			for _, s := range p.Status() {
				for _, r := range s.Refused {
					names = append(names, r.Resource)
				}
			}
			return names
		}
		until(t, "the secrets are refused whose files are missing", func() bool { return slices.Equal(refused(), []string{"late", "nowhere"}) })
		nacks := p.counter(t, "sluice_mesh_nacks_total", "secrets")
		until(t, "they are refused again", func() bool { return p.counter(t, "sluice_mesh_nacks_total", "secrets") >= nacks+2 })
		// Another server does not know what was refused. Envoy must not take it unseen then.
		p.stop()
		p.start(t, func(c *Config) { c.SecretRetry = 2 * time.Second })
		p.publish(t, r)
		until(t, "they are refused by the next server's stream, too", func() bool { return slices.Equal(refused(), []string{"late", "nowhere"}) })

		renew(t, dirs["late"])
		until(t, "the late certificate is shown", func() bool { return serial(ports["late"]) == written(t, dirs["late"]) })
		until(t, "that is known", func() bool { return slices.Equal(refused(), []string{"nowhere"}) })
		renew(t, dirs["early"])
		until(t, "the renewed certificate is shown", func() bool { return serial(ports["early"]) == written(t, dirs["early"]) })

		// What could not be loaded keeps nothing from being removed.
		config.backends = map[string]string{"b": backend(t, "b")}
		config.weights = map[string]uint32{"b": 1}
		next := config.resources()
		next.Listeners, next.Secrets = r.Listeners, r.Secrets
		p.publish(t, next)
		until(t, "the old cluster is gone", func() bool { return sidecar.stat("cluster_manager.active_clusters") == 3 })
	})
}

// One publish may bring a cluster with a secret of its own and point the routes at it. No request may notice.
func TestMovingToTLSFailsNoRequest(t *testing.T) {
	bothVariants(t, func(t *testing.T, variant string) {
		p := newControlPlane(t, nil)
		config := split{port: freePort(t), weights: map[string]uint32{"plain": 1}, backends: map[string]string{"plain": backend(t, "plain")}}
		p.publish(t, config.resources())
		sidecar := newSidecar(t, p, variant, "web-1.a.demo", "good")
		until(t, "the first answer", func() bool { _, err := ask(config.port); return err == nil })

		failure := underLoad(config.port)
		for i := range 5 {
			name, dir := string(rune('a'+i)), t.TempDir()
			renew(t, dir)
			config.weights = map[string]uint32{name: 1}
			config.backends = map[string]string{name: secureBackend(t, name, dir)}
			config.trust = map[string]string{name: dir}
			p.publish(t, config.resources())
			until(t, "an answer of "+name, func() bool { body, _ := ask(config.port); return body == name })
			until(t, "the old cluster is gone", func() bool { return sidecar.stat("cluster_manager.active_clusters") == 3 })
		}
		if err := failure(); err != nil {
			t.Errorf("a request failed: %v", err)
		}
	})
}

// secureBackend is a backend that shows the certificate in a folder.
func secureBackend(t *testing.T, name, dir string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
