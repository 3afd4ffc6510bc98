package xds

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"

	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestEnvoyAccepts gives every configuration of the golden files to a real Envoy.
func TestEnvoyAccepts(t *testing.T) {
	envoy := realenvoy.Path(t)
	inputs, err := filepath.Glob(batons.In)
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no input matches %s (%v)", batons.In, err)
	}
	running := make(chan struct{}, 2) // each takes a second of a core
	for _, path := range inputs {
		in, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := parseModel(t, in)
		for _, id := range m.Proxies() {
			name := strings.TrimSuffix(filepath.Base(path), batons.InSuffix) + "/" + id.String()
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r, err := Translate(m, id)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), "envoy.yaml")
				if err := os.WriteFile(file, realenvoy.WithCertificates(t, rendered(t, bootstrapOf(t, r))), 0o600); err != nil {
					t.Fatal(err)
				}
				running <- struct{}{}
				out, err := exec.Command(envoy, "--mode", "validate", "--log-level", "warning", "-c", file).CombinedOutput()
				<-running
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				for line := range strings.Lines(string(out)) {
					if strings.Contains(strings.ToLower(line), "deprecated") {
						t.Errorf("envoy will stop accepting this: %s", line)
					}
				}
			})
		}
	}
}

// bootstrapOf makes resources a configuration of their own.
func bootstrapOf(t *testing.T, r *Resources) *bootstrapv3.Bootstrap {
	t.Helper()
	b, err := Static(r)
	if err != nil {
		t.Fatal(err)
	}
	// Tests run side by side, and on the machine of somebody who may use the port.
	b.Admin = nil
	return b
}

func rendered(t *testing.T, b *bootstrapv3.Bootstrap) []byte {
	t.Helper()
	text, err := JSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
