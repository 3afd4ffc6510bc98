package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestEveryCaseOfTheMesh gives the inputs of pkg/mesh's cases to the command as the files that they are, and what comes
// out for each of their proxies to a real Envoy.
func TestEveryCaseOfTheMesh(t *testing.T) {
	envoy := realenvoy.Path(t)
	inputs, err := filepath.Glob("../../pkg/mesh/testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	running := make(chan struct{}, 2) // each takes a good part of a second of a core
	for _, in := range inputs {
		for _, id := range proxiesOf(t, strings.Replace(in, ".in.", ".out.", 1)) {
			t.Run(filepath.Base(in)+"/"+id.String(), func(t *testing.T) {
				t.Parallel()
				running <- struct{}{}
				defer func() { <-running }()
				flag := map[mesh.ProxyKind]string{mesh.ProxyVirtualNode: "--virtual-node", mesh.ProxyVirtualGateway: "--virtual-gateway"}[id.Kind]
				var out, errs bytes.Buffer
				code := run(context.Background(), []string{"config", "-f", in, flag, id.Namespace + "/" + id.Name},
					genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs})
				if (code != exitOK) != strings.Contains(errs.String(), "error:") || code == exitFailed {
					t.Errorf("exit code %d, and standard error says\n%s", code, errs.String())
				}
				file := filepath.Join(t.TempDir(), "envoy.yaml")
				if err := os.WriteFile(file, realenvoy.WithCertificates(t, out.Bytes()), 0o600); err != nil {
					t.Fatal(err)
				}
				if said, err := exec.Command(envoy, "--mode", "validate", "--log-level", "warning", "-c", file).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, said)
				}
			})
		}
	}
}

// proxiesOf reads which proxies a case of pkg/mesh has.
func proxiesOf(t *testing.T, path string) []mesh.ProxyID {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var outcome struct {
		Model *mesh.Model `json:"model"`
	}
	if err := yaml.Unmarshal(text, &outcome); err != nil {
		t.Fatal(err)
	}
	return outcome.Model.Proxies()
}
