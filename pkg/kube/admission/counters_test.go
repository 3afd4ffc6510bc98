package admission

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// TestMetricsAreDocumented keeps the page and the code together, labels included.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	c := newCounters(registry)
	c.pod(inject.ReasonInjected)
	c.found([]validate.Finding{{Rule: "SL001", Severity: validate.Deny}})
	c.undecodable.WithLabelValues("meshes")
	c.live.WithLabelValues("meshes")
	c.timed(podPath, http.NotFoundHandler())
	families, err := registry.Gather()
	if err != nil || len(families) != 5 {
		t.Fatalf("%d metrics (%v): one is missing here", len(families), err)
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
