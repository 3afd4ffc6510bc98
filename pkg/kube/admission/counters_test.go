package admission

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/validate"
	"github.com/sluice-mesh/sluice/test/promises"
)

// TestMetricsAreDocumented keeps the page and the code together, labels included.
func TestMetricsAreDocumented(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := newCounters(registry)
	c.pod(inject.ReasonInjected)
	c.found([]validate.Finding{{Rule: "SL001", Severity: validate.Deny}})
	c.undecodable.WithLabelValues("meshes")
	c.live.WithLabelValues("meshes")
	c.timed(podPath, http.NotFoundHandler())
	promises.Metrics(t, "../../..", registry, 5)
}
