package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/bench/fleet"
	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

// BenchmarkWeightChange is the time from the write of a weight to the API server until the last of 1,000 proxies has
// acknowledged it.
func BenchmarkWeightChange(b *testing.B) {
	const proxies = 1000
	plane := startPlane(b, proxies)
	took := []time.Duration{}
	weight := uint32(0)
	before := plane.mesh.cpu(b)
	for b.Loop() {
		weight = weight%100 + 1
		took = append(took, plane.shift(b, weight))
	}
	changes := float64(len(took))
	slices.Sort(took)
	b.ReportMetric(milliseconds(percentile(took, 50)), "ms-p50")
	b.ReportMetric(milliseconds(percentile(took, 95)), "ms-p95")
	b.ReportMetric(milliseconds(took[len(took)-1]), "ms-max")
	b.ReportMetric(milliseconds(plane.mesh.cpu(b)-before)/changes, "cpu-ms/change")
	b.ReportMetric(plane.perProxy(b)/1024, "KiB/proxy")
	b.ReportMetric(0, "ns/op") // the set-up's, and of no meaning
}

// BenchmarkIdleProxies is what 10,000 connected proxies cost while nothing happens. An iteration is a second.
func BenchmarkIdleProxies(b *testing.B) {
	const proxies = 10_000
	plane := startPlane(b, proxies)
	time.Sleep(settling)
	before, start := plane.mesh.cpu(b), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	b.ReportMetric(100*float64(plane.mesh.cpu(b)-before)/float64(time.Since(start)), "%cpu")
	b.ReportMetric(plane.mesh.memory(b)/(1<<20), "MiB")
	b.ReportMetric(plane.perProxy(b)/1024, "KiB/proxy")
	b.ReportMetric(plane.connecting.Seconds(), "s-to-connect")
	b.ReportMetric(0, "ns/op")
}

// settling is how long after ten thousand handshakes their garbage is collected and given back.
const settling = 40 * time.Second

// plane is a running mesh with its proxies.
type plane struct {
	*world
	mesh    *process
	proxies int
	// certs is the directory of the certificates of mesh and, below it, of canary; door where canary asks mesh.
	certs, door string
	// empty is the memory of mesh before the first proxy came; connecting how long all took to get everything.
	empty      float64
	connecting time.Duration

	// awaited is the weight that proxies are to acknowledge; missing counts those that have not.
	awaited atomic.Uint32
	missing atomic.Int64
	all     chan struct{}
}

// startPlane runs mesh as a process against a real API server and connects the proxies.
func startPlane(b *testing.B, proxies int) *plane {
	b.Helper()
	p := &plane{world: newWorld(b), proxies: proxies, all: make(chan struct{}, 1)}
	pods := p.pods(b, proxies)
	dir := b.TempDir()
	roots := issue(b, dir, p.namespace)
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", realenvoy.FreePort(b)) }
	xds, health := address(), address()
	p.certs, p.door = dir, address()
	p.mesh = startProcess(b, "mesh", "--kubeconfig", realkube.Kubeconfig(b, p.config), "--cert-dir", dir, "--namespace", p.namespace,
		"--identity", "bench", "--xds-address", xds, "--peer-address", p.door, "--peers", "", "--health-address", health, "--metrics-address", address(), "--debug-address", address())
	realenvoy.Eventually(b, "mesh is ready", func() bool {
		resp, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	p.empty = p.mesh.memory(b)
	p.connect(b, pods, xds, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	return p
}

// connect returns when every proxy has its first routes.
func (p *plane) connect(b *testing.B, pods []fleet.Pod, address string, config *tls.Config) {
	b.Helper()
	text, err := os.ReadFile("fleet/testdata/envoy.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	recording, err := fleet.ParseRecording(text)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	start := time.Now()
	p.await(0)
	for _, pod := range pods {
		proxy := fleet.NewProxy(recording, pod)
		proxy.Heard, proxy.Load = p.heard, fleet.OneRequest
		running.Go(func() {
			if err := proxy.Run(ctx, address, config, nil); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
		})
	}
	p.wait(b, "every proxy has its routes")
	p.connecting = time.Since(start)
}

// shift writes a weight and returns how long it took to reach every proxy.
func (p *plane) shift(b *testing.B, weight uint32) time.Duration {
	b.Helper()
	p.await(weight)
	patch := fmt.Appendf(nil, `[{"op": "replace", "path": "/spec/routes/0/httpRoute/action/weightedTargets/1/weight", "value": %d}]`, weight)
	start := time.Now()
	if _, err := p.dynamic.Resource(appmeshv1beta2.GroupVersion.WithResource("virtualrouters")).Namespace(p.namespace).Patch(
		context.Background(), released, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		b.Fatal(err)
	}
	p.wait(b, fmt.Sprintf("every proxy has weight %d", weight))
	return time.Since(start)
}

func (p *plane) await(weight uint32) {
	p.missing.Store(int64(p.proxies))
	p.awaited.Store(weight)
}

func (p *plane) wait(b *testing.B, what string) {
	b.Helper()
	select {
	case <-p.all:
	case <-time.After(5 * time.Minute):
		b.Fatalf("waited five minutes in vain, %d proxies are missing: %s", p.missing.Load(), what)
	}
}

// heard is called by each proxy for what it acknowledged.
func (p *plane) heard(_ fleet.Pod, response *discoveryv3.DeltaDiscoveryResponse) {
	if response.GetTypeUrl() != resourcev3.RouteType {
		return
	}
	for _, r := range response.GetResources() {
		if r.GetName() == mesh.EgressRouteName(mesh.HTTP, port) && canaryWeight(r) == p.awaited.Load() && p.missing.Add(-1) == 0 {
			p.all <- struct{}{}
		}
	}
}

// weights remembers the canary's weight by the version of the table, because proxies of one node get the same.
var weights sync.Map

func canaryWeight(r *discoveryv3.Resource) uint32 {
	if known, ok := weights.Load(r.GetVersion()); ok {
		return known.(uint32)
	}
	table, weight := &routev3.RouteConfiguration{}, uint32(0)
	if err := r.GetResource().UnmarshalTo(table); err == nil {
		for _, host := range table.GetVirtualHosts() {
			for _, route := range host.GetRoutes() {
				if clusters := route.GetRoute().GetWeightedClusters().GetClusters(); len(clusters) == 2 {
					weight = clusters[1].GetWeight().GetValue()
				}
			}
		}
	}
	weights.Store(r.GetVersion(), weight)
	return weight
}

// perProxy is what each connection adds to the memory of mesh, in bytes.
func (p *plane) perProxy(b *testing.B) float64 {
	return (p.mesh.memory(b) - p.empty) / float64(p.proxies)
}

// issue writes the certificates of mesh and canary as their Secrets would be mounted, and returns whom to trust.
func issue(b *testing.B, dir, namespace string) *x509.CertPool {
	b.Helper()
	authority, err := certs.NewAuthority(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	for at, service := range map[string]string{dir: sluice.MeshService, filepath.Join(dir, "canary"): sluice.CanaryService} {
		leaf, err := certs.Issue(authority, certs.Leaf{
			Name: service, Hosts: append(certs.ServiceHosts(service, namespace, "cluster.local"), "localhost"), Client: true,
		}, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if err := os.MkdirAll(at, 0o700); err != nil {
			b.Fatal(err)
		}
		for name, content := range map[string][]byte{"tls.crt": leaf.Cert, "tls.key": leaf.Key, "ca.crt": leaf.Bundle} {
			if err := os.WriteFile(filepath.Join(at, name), content, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		roots.AppendCertsFromPEM(leaf.Bundle)
	}
	return roots
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)-1, (len(sorted)*p+99)/100-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
