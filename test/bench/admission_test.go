package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// requests are those of one server in one round. Rounds alternate, so that the machine's moods meet all servers.
const requests = 200

// BenchmarkAdmission measures what it costs to admit a pod: ours beside Istio's injector and beside the least that a
// webhook with controller-runtime does. An iteration is a round of requests to each server, one after the other, over one
// HTTP/2 connection each, as the API server has it.
func BenchmarkAdmission(b *testing.B) {
	for _, nodes := range []int{1, 100, 500} {
		servers := startServers(b, nodes)
		for _, pod := range pods {
			for _, concurrency := range []int{1, 8} {
				b.Run(fmt.Sprintf("%s/nodes=%d/c=%d", pod.name, nodes, concurrency), func(b *testing.B) {
					for _, s := range servers {
						s.round(b, pod.review(s.namespace), concurrency) // warm
						s.took, s.cpu = nil, 0
					}
					for b.Loop() {
						for _, s := range servers {
							s.round(b, pod.review(s.namespace), concurrency)
						}
					}
					report(b, servers)
				})
			}
		}
	}
}

// report prints each server's figures, and ours as a share of theirs.
func report(b *testing.B, servers []*server) {
	for _, s := range servers {
		slices.Sort(s.took)
		for _, p := range []int{50, 95, 99} {
			b.ReportMetric(milliseconds(percentile(s.took, p)), fmt.Sprintf("%s-ms-p%d", s.name, p))
		}
		b.ReportMetric(s.cpuPerRequest(), s.name+"-cpu-us")
		b.ReportMetric(s.process.memory(b)/(1<<20), s.name+"-MiB")
	}
	ours := servers[0]
	for _, s := range servers[1:] {
		b.ReportMetric(float64(percentile(ours.took, 50))/float64(percentile(s.took, 50)), "p50-of-"+s.name)
		b.ReportMetric(ours.cpuPerRequest()/s.cpuPerRequest(), "cpu-of-"+s.name)
	}
	b.ReportMetric(0, "ns/op")
}

// server is an admission server under load.
type server struct {
	name, url, namespace string
	process              *process
	client               *http.Client
	took                 []time.Duration
	cpu                  time.Duration
}

func (s *server) cpuPerRequest() float64 {
	return float64(s.cpu) / float64(len(s.took)) / float64(time.Microsecond)
}

// round sends the requests of one round. Every answer must be a patch.
func (s *server) round(b *testing.B, review []byte, concurrency int) {
	b.Helper()
	before := s.process.cpu(b)
	var mu sync.Mutex
	var group errgroup.Group
	for range concurrency {
		group.Go(func() error {
			for range requests / concurrency {
				start := time.Now()
				answer, err := s.ask(review)
				took := time.Since(start)
				if err == nil {
					err = hasPatch(answer) // outside of the time: what the answer is worth is the client's business
				}
				if err != nil {
					return err
				}
				mu.Lock()
				s.took = append(s.took, took)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatalf("%s: %v", s.name, err)
	}
	s.cpu += s.process.cpu(b) - before
}

// ask sends a review and reads the answer to its end.
func (s *server) ask(review []byte) ([]byte, error) {
	resp, err := s.client.Post(s.url, "application/json", bytes.NewReader(review))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.300s", resp.StatusCode, answer)
	}
	return answer, err
}

func hasPatch(text []byte) error {
	var answer struct {
		Response struct {
			Allowed bool   `json:"allowed"`
			Patch   []byte `json:"patch"`
		} `json:"response"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || !answer.Response.Allowed || len(answer.Response.Patch) == 0 {
		return fmt.Errorf("no patch: %.300s", text)
	}
	return nil
}

// startServers runs ours against a real API server with that many virtual nodes, and the peers.
func startServers(b *testing.B, nodes int) []*server {
	b.Helper()
	dir := b.TempDir()
	roots := issue(b, dir, sluice.SystemNamespace)
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", realenvoy.FreePort(b)) }
	out := []*server{startSluice(b, nodes)}

	peers := buildPeers(b)
	decoder := address()
	out = append(out, &server{name: "decoder", url: "https://" + decoder + "/", client: http2(roots, "localhost"),
		process: run(b, "decoder", filepath.Join(peers, "decoder"), nil, "--address", decoder, "--tls-cert", cert, "--tls-key", key)})
	istio := address()
	out = append(out, &server{name: "istio", url: "https://" + istio + "/inject", client: http2(roots, "localhost"),
		process: run(b, "istio", filepath.Join(peers, "istio"), []string{"ENABLE_NATIVE_SIDECARS=false"},
			"--address", istio, "--tls-cert", cert, "--tls-key", key, "--chart", istioChart(b))})
	for _, s := range out {
		realenvoy.Eventually(b, s.name+" answers", func() bool {
			answer, err := s.ask(pods[0].review(s.namespace))
			return err == nil && hasPatch(answer) == nil
		})
	}
	return out
}

// startSluice runs cmd/webhook in a mesh.
func startSluice(b *testing.B, nodes int) *server {
	b.Helper()
	config := realkube.Start(b)
	kube := kubernetes.NewForConfigOrDie(config)
	namespace := realkube.Namespace(b, config, map[string]string{appmeshv1beta2.AnnotationSidecarInjectorWebhook: appmeshv1beta2.ValueEnabled})
	w := &world{config: config, kube: kube, dynamic: dynamic.NewForConfigOrDie(config), namespace: namespace}
	w.create(b, "meshes", appmeshv1beta2.Mesh{TypeMeta: w.kind("Mesh"), ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Spec: appmeshv1beta2.MeshSpec{NamespaceSelector: &metav1.LabelSelector{}}})
	for i := range nodes {
		node := appmeshv1beta2.VirtualNode{TypeMeta: w.kind("VirtualNode"), ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("app-%d", i), Namespace: namespace}}
		node.Spec.MeshRef = &appmeshv1beta2.MeshReference{Name: namespace, UID: "u"}
		node.Spec.PodSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("app-%d", i)}}
		node.Spec.Listeners = []appmeshv1beta2.Listener{{PortMapping: appmeshv1beta2.PortMapping{Port: port, Protocol: "http"}}}
		w.create(b, "virtualnodes", node)
	}
	out := startWebhook(b, config, "0", "/mutate-v1-pod")
	out.namespace = namespace
	return out
}

// startWebhook runs cmd/webhook against a cluster, where it makes its own certificate.
func startWebhook(b *testing.B, config *rest.Config, metrics, path string) *server {
	b.Helper()
	kube := kubernetes.NewForConfigOrDie(config)
	own := realkube.Namespace(b, config, nil)
	webhookPort := realenvoy.FreePort(b)
	p := startProcessEnv(b, "webhook", []string{"KUBECONFIG=" + realkube.Kubeconfig(b, config)}, "--namespace", own,
		"--port", fmt.Sprint(webhookPort), "--metrics-address", metrics, "--health-address", "0", "--shutdown-delay", "0")
	roots := x509.NewCertPool()
	realenvoy.Eventually(b, "the webhook has made its authority", func() bool {
		secret, err := kube.CoreV1().Secrets(own).Get(context.Background(), sluice.CASecret, metav1.GetOptions{})
		return err == nil && roots.AppendCertsFromPEM(secret.Data["ca.crt"])
	})
	return &server{name: "sluice", url: fmt.Sprintf("https://127.0.0.1:%d%s", webhookPort, path), process: p, client: http2(roots, sluice.WebhookService)}
}

// http2 is a client with one connection.
func http2(roots *x509.CertPool, serverName string) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: serverName}, ForceAttemptHTTP2: true, MaxConnsPerHost: 1,
	}}
}

// buildPeers compiles the servers of the module peers, once per run.
var buildPeers = func() func(b *testing.B) string {
	var once sync.Once
	var dir string
	var err error
	return func(b *testing.B) string {
		b.Helper()
		once.Do(func() {
			if dir, err = os.MkdirTemp("", "peers"); err != nil {
				return
			}
			build := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "./decoder", "./istio")
			build.Dir = "peers"
			if out, buildErr := build.CombinedOutput(); buildErr != nil {
				err = fmt.Errorf("%w\n%s", buildErr, out)
			}
		})
		if err != nil {
			b.Fatalf("build the peers: %v", err)
		}
		return dir
	}
}()

// istioChart is where the module's templates are.
func istioChart(b *testing.B) string {
	b.Helper()
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio")
	list.Dir = "peers"
	out, err := list.Output()
	if err != nil {
		b.Fatalf("find Istio's module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "manifests", "charts", "istio-control", "istio-discovery")
}
