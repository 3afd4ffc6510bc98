package promises

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics fails unless the registry has so many metrics, and docs/metrics.md below root has a row for each, labels included.
func Metrics(t *testing.T, root string, registry prometheus.Gatherer, want int) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != want {
		t.Fatalf("%d metrics (%v), want %d: one is missing here", len(families), err, want)
	}
	for _, family := range families {
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		if row := "| `" + family.GetName() + "` | " + strings.Join(labels, ", ") + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/metrics.md has no row %s", row)
		}
	}
}
