package mesh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"pgregory.net/rapid"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// enoughProxies is how many configurations Envoy is given; each takes a good part of a second of a core.
const enoughProxies = 25

// TestEnvoyTakesOddClusters gives a real Envoy what the snapshots of the laws become. It knows more rules than its API
// writes down, and refuses everything for one thing that it does not like.
func TestEnvoyTakesOddClusters(t *testing.T) {
	envoy := realenvoy.Path(t)
	odd := rapid.Custom(snapshots)
	given := 0
	for seed := 1; given < enoughProxies; seed++ {
		m, _ := mesh.Build(withoutTLS(odd.Example(seed)))
		for _, id := range m.Proxies() {
			r, err := xds.Translate(m, id)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Routes) < 2 { // there is not much to dislike
				continue
			}
			given++
			config, err := xds.Static(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := protojson.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "envoy.json")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(envoy, "--mode", "validate", "--log-level", "error", "-c", file).CombinedOutput(); err != nil {
				t.Errorf("seed %d, %s: %s", seed, id, out)
			}
		}
	}
}

// withoutTLS takes off what would need files of certificates.
func withoutTLS(s mesh.Snapshot) mesh.Snapshot {
	for _, v := range s.VirtualNodes {
		v.Spec.BackendDefaults = nil
		for i := range v.Spec.Listeners {
			v.Spec.Listeners[i].TLS = nil
		}
		for i := range v.Spec.Backends {
			v.Spec.Backends[i].VirtualService.ClientPolicy = nil
		}
	}
	for _, v := range s.VirtualGateways {
		v.Spec.BackendDefaults = nil
		for i := range v.Spec.Listeners {
			v.Spec.Listeners[i].TLS = nil
		}
	}
	return s
}
