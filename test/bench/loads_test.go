package bench

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// BenchmarkLoadReports is what it costs mesh that 1,000 callers report on a release under analysis, beside what they cost
// while they say nothing. An iteration is a second, and a question of canary.
func BenchmarkLoadReports(b *testing.B) {
	const proxies, silence = 1000, 10 * time.Second
	plane := startPlane(b, proxies)
	time.Sleep(silence) // what connecting left to do
	before := plane.mesh.cpu(b)
	time.Sleep(silence)
	quiet := plane.mesh.cpu(b) - before

	ask := plane.asCanary(b)
	ask()
	time.Sleep(silence)
	first, before, start := ask(), plane.mesh.cpu(b), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
		ask()
	}
	took, last := time.Since(start), ask()
	if last.Callers != proxies {
		b.Fatalf("%d of %d proxies were asked to report", last.Callers, proxies)
	}
	b.ReportMetric(100*float64(quiet)/float64(silence), "%cpu-silent")
	b.ReportMetric(100*float64(plane.mesh.cpu(b)-before)/float64(took), "%cpu-reporting")
	b.ReportMetric(float64(last.Succeeded-first.Succeeded)/took.Seconds(), "reports/s")
	b.ReportMetric(plane.mesh.memory(b)/(1<<20), "MiB")
	b.ReportMetric(0, "ns/op")
}

// asCanary returns the question that the canary process asks every second.
func (p *plane) asCanary(b *testing.B) func() envoy.Load {
	b.Helper()
	identity, err := peer.LoadIdentity(filepath.Join(p.certs, "canary"), nil)
	if err != nil {
		b.Fatal(err)
	}
	client := peer.NewClient(peer.ClientConfig{
		Replicas: func(context.Context) ([]netip.AddrPort, error) {
			return []netip.AddrPort{netip.MustParseAddrPort(p.door)}, nil
		},
		Identity: identity, Mesh: sluice.MeshService + "." + p.namespace + ".svc",
	})
	node := mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: p.namespace, Name: released + "-canary"}
	return func() envoy.Load {
		got, silent, err := client.Loads(context.Background(), []mesh.ObjectRef{node})
		if err != nil || len(silent) > 0 {
			b.Fatal(err, peer.Told(silent))
		}
		return got[0]
	}
}
