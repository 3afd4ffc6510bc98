package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

var update = flag.Bool("update", false, "record the real Envoy anew")

const recordingFile = "testdata/envoy.jsonl"

// pod is the sidecar that is recorded; its virtual node has backends, so that it asks for every type.
var pod = envoy.PodIdentity{Namespace: "demo", Name: "flagger-loadtester-1", UID: "u", ServiceAccount: "default"}

// TestSimulatedProxiesSpeakAsEnvoyDoes records a real Envoy through its start and a change of a route, and lets a
// simulated one live through the same.
func TestSimulatedProxiesSpeakAsEnvoyDoes(t *testing.T) {
	realenvoy.Path(t) // or skip
	real, realReports := live(t, func(t *testing.T, address string, authority certs.Pair) {
		startEnvoy(t, address, authority)
	})
	if *update {
		text, err := anonymous(real).Text()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recordingFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recorded := load(t)
	if diff := cmp.Diff(recorded.Gist(), real.Gist()); diff != "" {
		t.Errorf("this Envoy says something else than the recorded one; record it with -update (-recorded +now):\n%s", diff)
	}
	simulated, simulatedReports := live(t, func(t *testing.T, address string, authority certs.Pair) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		p := NewProxy(recorded, Pod{Namespace: pod.Namespace, Name: pod.Name, Token: "token"})
		go func() { done <- p.Run(ctx, address, trusting(authority), nil) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
	if diff := cmp.Diff(real.Gist(), simulated.Gist()); diff != "" {
		t.Errorf("the simulated proxy differs from the real one (-real +simulated):\n%s", diff)
	}
	if diff := cmp.Diff(realReports, simulatedReports); diff != "" || len(realReports) == 0 {
		t.Errorf("the simulated proxy reports other things than the real one (-real +simulated):\n%s", diff)
	}
}

// gist says of a report who speaks, and of what.
func gist(m *loadstatsv3.LoadStatsRequest) string {
	var clusters []string
	for _, c := range m.GetClusterStats() {
		clusters = append(clusters, c.GetClusterName())
	}
	slices.Sort(clusters)
	return fmt.Sprintf("%s with %d extensions: %v", m.GetNode().GetId(), len(m.GetNode().GetExtensions()), clusters)
}

// live runs a control plane and one proxy through a start, a change and a question about its load, and returns what the
// proxy said, and the gist of its first two reports.
func live(t *testing.T, start func(t *testing.T, address string, authority certs.Pair)) (said Recording, reports []string) {
	t.Helper()
	authority, leaf := authorities(t)
	models := twoModels(t)
	id := mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: "demo", Name: "flagger-loadtester"}
	server := envoy.NewServer(envoy.Config{
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &leaf, nil },
		Verifier:    everybody{}, Binder: everybody{id}, Metrics: prometheus.NewRegistry(), Drain: time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	plane := listen(t)
	go func() { done <- server.Serve(ctx, plane) }()
	entrance := listen(t)
	recorder, err := NewRecorder(ctx, entrance, leaf, plane.Addr().String(), trusting(authority))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, server, models[0], id)
	t.Run("proxy", func(t *testing.T) {
		start(t, entrance.Addr().String(), authority)
		settled(t, server)
		publish(t, server, models[1], id)
		settled(t, server)
		server.Loads([]mesh.ObjectRef{{Kind: mesh.KindVirtualNode, Namespace: "demo", Name: "podinfo-canary"}})
		realenvoy.Eventually(t, "it reports", func() bool { return len(recorder.Reports()) >= 2 })
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, m := range recorder.Reports()[:2] {
		reports = append(reports, gist(m))
	}
	return recorder.Recording(), reports
}

// settled waits until the proxy has acknowledged everything it was sent.
func settled(t *testing.T, server *envoy.Server) {
	t.Helper()
	realenvoy.Eventually(t, "the proxy has taken everything", func() bool {
		status := server.Status()
		if len(status) != 1 || len(status[0].Types) < 4 {
			return false
		}
		for _, typ := range status[0].Types {
			if typ.Acked == "" || typ.Acked != typ.Sent {
				return false
			}
		}
		return true
	})
	// What would still be said is said at once; nothing announces that there is nothing more.
	time.Sleep(300 * time.Millisecond)
}

func publish(t *testing.T, server *envoy.Server, m *mesh.Model, id mesh.ProxyID) {
	t.Helper()
	resources, err := xds.Translate(m, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Publish(m, map[mesh.ProxyID]*xds.Resources{id: resources}); err != nil {
		t.Fatal(err)
	}
}

// twoModels are Flagger's podinfo objects before and after a step.
func twoModels(t *testing.T) [2]*mesh.Model {
	t.Helper()
	text, err := os.ReadFile("../../../pkg/mesh/testdata/flagger-podinfo.out.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out [2]*mesh.Model
	for i := range out {
		var file struct {
			Model *mesh.Model `json:"model"`
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		out[i] = file.Model
	}
	for s := range out[1].Services {
		for p := range out[1].Services[s].Ports {
			for r := range out[1].Services[s].Ports[p].Routes {
				targets := out[1].Services[s].Ports[p].Routes[r].Targets
				for i := range targets {
					targets[i].Weight += 5
				}
			}
		}
	}
	return out
}

// everybody accepts every token.
type everybody struct{ proxy mesh.ProxyID }

func (everybody) Verify(context.Context, string) (envoy.PodIdentity, error) { return pod, nil }

func (e everybody) ProxyOf(context.Context, envoy.PodIdentity) (mesh.ProxyID, error) {
	return e.proxy, nil
}

func authorities(t *testing.T) (certs.Pair, tls.Certificate) {
	t.Helper()
	authority, err := certs.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := certs.Issue(authority, certs.Leaf{Name: "mesh", Hosts: []string{"localhost", "127.0.0.1"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return authority, leaf
}

func trusting(authority certs.Pair) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority.Cert)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

func startEnvoy(t *testing.T, address string, authority certs.Pair) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		sluice.CAFile:          string(authority.Cert),
		sluice.TokenFile:       "token",
		sluice.CASecretFile:    strings.ReplaceAll(xds.CASecretYAML(), sluice.ProxyDir, dir),
		sluice.TokenSecretFile: strings.ReplaceAll(xds.TokenSecretYAML(), sluice.ProxyDir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket, err := os.MkdirTemp("", "envoy") // short: a socket's path may have 107 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socket) })
	_, port, _ := net.SplitHostPort(address)
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	bootstrap, err := xds.Bootstrap(xds.BootstrapConfig{
		Host: "localhost", Port: uint32(number), AdminSocket: filepath.Join(socket, "admin.sock"), ProxyDir: dir, StatsPort: realenvoy.FreePort(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	realenvoy.Start(t, "--config-yaml", string(bootstrap), "--service-node", pod.Name+"."+pod.Namespace, "--service-cluster", "web",
		"--disable-hot-restart", "--concurrency", "1", "-l", "warning")
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func load(t *testing.T) Recording {
	t.Helper()
	text, err := os.ReadFile(recordingFile)
	if err != nil {
		t.Fatal(err)
	}
	out, err := ParseRecording(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// anonymous leaves out what is random, so that two recordings of one Envoy are equal.
func anonymous(r Recording) Recording {
	out := make(Recording, len(r))
	for i, request := range r {
		clone := proto.CloneOf(request)
		if clone.GetResponseNonce() != "" {
			clone.ResponseNonce = "nonce"
		}
		out[i] = clone
	}
	return out
}
