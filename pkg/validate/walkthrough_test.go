package validate

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestWalkthroughHasOneRemark: of the demo's release, the rulebook has to say that CPU of whole pods counts the proxy, of the
// autoscaler and of the Canary that names it, and nothing else.
func TestWalkthroughHasOneRemark(t *testing.T) {
	var f fixture
	for _, name := range []string{"namespace", "mesh", "podinfo", "gateway", "loadtester", "hpa", "canary"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "config", "demo", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			f.world.add(t, header(t, doc).Kind, doc)
		}
	}
	if len(f.world.Canaries) != 1 || len(f.world.HPAs) != 1 || len(f.world.NamespaceLabels) == 0 {
		t.Fatalf("the demo is not what it was: %d Canaries, %d autoscalers", len(f.world.Canaries), len(f.world.HPAs))
	}
	findings := slices.Concat(Canary(nil, f.world.Canaries[0], f.world), HorizontalPodAutoscaler(nil, f.world.HPAs[0], f.world))
	for _, finding := range findings {
		if finding.Rule != "SL011" || finding.Severity != Warn {
			t.Errorf("%s: %s", finding.Severity, finding)
		}
	}
	if len(findings) != 2 {
		t.Errorf("%d findings, want SL011 twice", len(findings))
	}
}
