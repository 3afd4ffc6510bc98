package xds

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestTLSBetweenSidecars lets callers with different policies call servers with different modes, each behind a real
// Envoy of its own, and looks at what passes between the two.
func TestTLSBetweenSidecars(t *testing.T) {
	realenvoy.Path(t)
	certs := newCertificates(t)
	for _, server := range []string{"strict", "permissive", "mutual", "front", "stranger"} {
		certs.issue(t, server, server+".demo.svc.cluster.local")
	}
	certs.publish(t, "other", map[string][]byte{"ca.crt": newAuthority(t, "other").pem})
	servers := map[string]string{}
	for _, server := range []string{"strict", "permissive", "mutual", "plain"} {
		servers[server] = sidecar{name: "tls-policies", node: server, port: 8080, certs: certs, app: application(t, server)}.start(t)
	}
	callers := map[string]map[string]string{
		"front": {
			"strict":     "TLS strict",
			"permissive": "TLS 503", // the policy wants another name
			"mutual":     "TLS mutual",
			"plain":      "plain plain", // enforce: false
		},
		"naive":     {"strict": "TLS strict", "permissive": "TLS permissive", "mutual": "TLS 503", "plain": "plain plain"},
		"stranger":  {"mutual": "TLS 503"}, // its certificate has a name that the server does not accept
		"deceived":  {"strict": "TLS 503"}, // it trusts others
		"insistent": {"plain": "TLS 503"},  // TLS or nothing
		"ports":     {"strict": "TLS strict", "permissive": "TLS permissive"},
		"cloud":     {"strict": "TLS 503", "permissive": "TLS permissive"}, // trust.acm: nobody if TLS is enforced, else anybody
	}
	for caller, want := range callers {
		t.Run(caller, func(t *testing.T) {
			t.Parallel()
			taps := map[string]*tap{}
			for server, address := range servers {
				taps[server] = newTap(t, address)
			}
			at := sidecar{name: "tls-policies", node: caller, port: 8080, certs: certs, taps: taps}.start(t)
			for server, outcome := range want {
				got := send(t, at, call{url: "/", host: server})
				got, _, _ = strings.Cut(got, " ")
				if got = taps[server].kind() + " " + got; got != outcome {
					t.Errorf("%s calls %s: got %q, want %q", caller, server, got, outcome)
				}
			}
		})
	}
}

// TestTLSModes calls listeners from outside of the mesh.
func TestTLSModes(t *testing.T) {
	realenvoy.Path(t)
	certs := newCertificates(t)
	certs.issue(t, "front", "front.demo.svc.cluster.local")
	certs.issue(t, "stranger", "stranger.demo.svc.cluster.local")
	for _, server := range []string{"strict", "permissive", "mutual"} {
		certs.issue(t, server, server+".demo.svc.cluster.local")
	}
	cases := map[string]struct{ server, shows, plain, encrypted string }{
		"strict":                       {server: "strict", plain: "refused", encrypted: "strict h2"},
		"permissive":                   {server: "permissive", plain: "permissive", encrypted: "permissive h2"},
		"mutual without a certificate": {server: "mutual", plain: "refused", encrypted: "refused"},
		"mutual with another's":        {server: "mutual", shows: "stranger", plain: "refused", encrypted: "refused"},
		"mutual with the right name":   {server: "mutual", shows: "front", plain: "refused", encrypted: "mutual h2"},
		"disabled":                     {server: "plain", plain: "plain", encrypted: "refused"},
	}
	started := map[string]string{}
	for _, server := range []string{"strict", "permissive", "mutual", "plain"} {
		started[server] = sidecar{name: "tls-policies", node: server, port: 8080, certs: certs, app: application(t, server)}.start(t)
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			at := started[c.server]
			if got := get(t, "http", at, nil); got != c.plain {
				t.Errorf("a plain client: got %q, want %q", got, c.plain)
			}
			if got := get(t, "https", at, certs.client(t, c.shows, c.server+".demo.svc.cluster.local")); got != c.encrypted {
				t.Errorf("a client with TLS: got %q, want %q", got, c.encrypted)
			}
		})
	}
}

// TestTLSWithServersThatSpeakFirst: a permissive TCP port gives a silent client a plain connection, after a while; a port
// without TLS on the same listener does at once.
func TestTLSWithServersThatSpeakFirst(t *testing.T) {
	realenvoy.Path(t)
	certs := newCertificates(t)
	certs.issue(t, "database", "database.demo.svc.cluster.local")
	certs.issue(t, "permissive", "permissive.demo.svc.cluster.local")
	greeter := serveTCP(t, func(c net.Conn) { fmt.Fprintln(c, "hello"); _, _ = io.Copy(io.Discard, c) })
	greeting := func(dial func() (net.Conn, error)) (string, time.Duration) {
		t.Helper()
		start := time.Now()
		c, err := dial()
		if err != nil {
			return err.Error(), 0
		}
		defer c.Close()
		_ = c.SetDeadline(start.Add(10 * time.Second))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			return err.Error(), 0
		}
		return strings.TrimSpace(line), time.Since(start)
	}
	permissive := sidecar{name: "tls-listeners", node: "database", port: 5432, certs: certs, app: greeter}.start(t)
	config := certs.client(t, "", "database.demo.svc.cluster.local")
	if got, _ := greeting(func() (net.Conn, error) { return tls.Dial("tcp", permissive, config) }); got != "hello" {
		t.Errorf("a client with TLS: got %q", got)
	}
	if got, took := greeting(func() (net.Conn, error) { return net.Dial("tcp", permissive) }); got != "hello" || took < serverFirst/2 {
		t.Errorf("a silent plain client: got %q after %s, want the greeting after about %s", got, took, serverFirst)
	}
	plain := sidecar{name: "tls-listeners", node: "permissive", port: 3306, certs: certs, app: greeter}.start(t)
	// Here Envoy would close the connection if it waited.
	if got, _ := greeting(func() (net.Conn, error) { return net.Dial("tcp", plain) }); got != "hello" {
		t.Errorf("a port without TLS: got %q", got)
	}
}

// TestCertificatesReload renews certificates while requests pass. Nothing restarts, and none fails.
func TestCertificatesReload(t *testing.T) {
	realenvoy.Path(t)
	certs := newCertificates(t)
	const serverName, clientName = "mutual.demo.svc.cluster.local", "front.demo.svc.cluster.local"
	certs.issue(t, "mutual", serverName)
	certs.issue(t, "front", clientName)
	server := sidecar{name: "tls-policies", node: "mutual", port: 8080, certs: certs, app: application(t, "mutual")}.start(t)
	wire := newTap(t, server)
	caller := sidecar{name: "tls-policies", node: "front", port: 8080, certs: certs, taps: map[string]*tap{"mutual": wire}}.start(t)
	outside := certs.client(t, "front", serverName)

	stop, passed := make(chan struct{}), atomic.Int64{}
	var load sync.WaitGroup
	loop := func(request func() string) {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := request(); !strings.HasPrefix(got, "mutual ") {
					t.Errorf("a request failed: %s", got)
				}
				passed.Add(1)
			}
		})
	}
	loop(func() string { return send(t, caller, call{url: "/", host: "mutual"}) })
	loop(func() string { return get(t, "https", server, outside) }) // with a handshake each
	for range 3 {
		certs.issue(t, "front", clientName)
		certs.issue(t, "mutual", serverName)
		want := fmt.Sprint(certs.versions)
		realenvoy.Eventually(t, "the renewed certificate is shown", func() bool { return shown(server, outside) == want })
		before := passed.Load()
		realenvoy.Eventually(t, "requests pass", func() bool { return passed.Load() > before+20 })
	}
	close(stop)
	load.Wait()

	// The caller has loaded its own as well: one with another name closes the door, on the next connection.
	for _, c := range []struct{ name, want string }{{"stranger.demo.svc.cluster.local", "503"}, {clientName, "mutual"}} {
		certs.issue(t, "front", c.name)
		realenvoy.Eventually(t, "the caller shows the certificate of "+c.name, func() bool {
			wire.cut()
			got, _, _ := strings.Cut(send(t, caller, call{url: "/", host: "mutual"}), " ")
			return got == c.want
		})
	}
}

// shown is the common name of the certificate that a server shows.
func shown(at string, config *tls.Config) string {
	c, err := tls.Dial("tcp", at, config)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// sidecar is an Envoy with the configuration of a virtual node, or of a gateway, of a golden case.
type sidecar struct {
	name, node, gateway string
	// port is the application's, or that of the backends.
	port  uint32
	certs *certificates
	// app is the application behind the sidecar, taps are its backends, by their virtual nodes.
	app  mesh.Address
	taps map[string]*tap
	// sds is the socket of the machine's secret discovery service; empty if the pod has none.
	sds string
}

// start runs it and gives the address where it takes the connections for its port.
func (s sidecar) start(t *testing.T) string {
	t.Helper()
	in, err := os.ReadFile(filepath.Join("..", "mesh", "testdata", s.name+".out.yaml"))
	must(t, err)
	m := parseModel(t, in)
	for i, e := range m.Endpoints {
		if backend := s.taps[strings.Split(e.Cluster, "_")[3]]; backend != nil {
			m.Endpoints[i].Addresses = []mesh.Address{backend.address}
		}
	}
	id := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: s.node}
	if s.gateway != "" {
		id.Kind, id.Name = mesh.ProxyVirtualGateway, s.gateway
	}
	r, err := Translate(m, id)
	must(t, err)
	s.certs.relocate(r)
	for _, c := range r.Clusters {
		if strings.HasPrefix(c.GetName(), "cds_ingress_") {
			c.LoadAssignment = loadAssignment(c.GetName(), []mesh.Address{s.app}, s.app.Port)
		}
	}
	to := realenvoy.FreePort(t)
	r.Listeners = []*listenerv3.Listener{relocate(t, r.Listeners, s.port, to)}
	bootstrap := bootstrapOf(t, r)
	newSecretFiles(t, r).replaceIn(bootstrap)
	clusters := slices.DeleteFunc(bootstrap.GetStaticResources().GetClusters(), func(c *clusterv3.Cluster) bool { return c.GetName() == mesh.SDSCluster })
	if s.sds != "" {
		clusters = append(clusters, sdsCluster(s.sds))
	}
	bootstrap.StaticResources.Clusters = clusters
	file := filepath.Join(t.TempDir(), "envoy.json")
	must(t, os.WriteFile(file, rendered(t, bootstrap), 0o600))
	realenvoy.Start(t, "-c", file, "--log-level", "warning", "--use-dynamic-base-id", "--concurrency", "1")
	address := net.JoinHostPort(localhost, fmt.Sprint(to))
	realenvoy.Eventually(t, "envoy listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return address
}

// tap is the wire between two sidecars: it tells what passed.
type tap struct {
	address   mesh.Address
	encrypted atomic.Bool
	mu        sync.Mutex
	open      []net.Conn
}

func newTap(t *testing.T, to string) *tap {
	t.Helper()
	out := &tap{}
	out.address = serveTCP(t, func(from net.Conn) {
		target, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer target.Close()
		out.mu.Lock()
		out.open = append(out.open, target)
		out.mu.Unlock()
		client := bufio.NewReader(from)
		if first, err := client.Peek(1); err == nil {
			out.encrypted.Store(first[0] == tlsHandshake)
		}
		go func() {
			_, _ = io.Copy(target, client)
			_ = target.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(from, target)
	})
	return out
}

// tlsHandshake is the first byte of a TLS connection.
const tlsHandshake = 0x16

func (p *tap) kind() string {
	if p.encrypted.Load() {
		return "TLS"
	}
	return "plain"
}

// cut ends all connections.
func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

// get sends a request with HTTP/2 if the server agrees, and gives the first word of the answer, or its status, and the
// protocol if TLS agreed on one.
func get(t *testing.T, scheme, at string, config *tls.Config) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get(scheme + "://" + at)
	var broken *net.OpError
	if errors.As(err, &broken) && (broken.Op == "dial" || broken.Timeout()) {
		t.Fatal(err)
	}
	if err != nil {
		return "refused"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	word, _, _ := strings.Cut(string(body), " ")
	if resp.StatusCode != http.StatusOK {
		word = fmt.Sprint(resp.StatusCode)
	}
	if resp.TLS != nil {
		word += " " + resp.TLS.NegotiatedProtocol
	}
	return word
}
