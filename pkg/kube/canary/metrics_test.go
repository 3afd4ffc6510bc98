package canary

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// TestMetricsAreDocumented keeps the page and the code together, labels included.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	g, c := newGauges(registry), newCounters(registry)
	podinfo := &canaryv1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "demo"}}
	podinfo.Spec.TargetRef.Name = "podinfo"
	g.info.WithLabelValues("1.0.0", "appmesh:v1beta2").Set(1)
	g.observe(podinfo, time.Second)
	for _, phase := range []canaryv1beta1.CanaryPhase{canaryv1beta1.CanaryPhaseSucceeded, canaryv1beta1.CanaryPhaseFailed} {
		g.recorded(podinfo, &canaryv1beta1.CanaryStatus{Phase: phase, Rollout: &canaryv1beta1.RolloutStatus{
			Metrics: []canaryv1beta1.MetricResult{{Name: "request-success-rate", Value: "99"}},
		}})
	}
	c.events.WithLabelValues(eventWritten).Inc()
	c.called(canaryv1beta1.RolloutHook, errors.New("closed"), time.Second)
	c.alerted("slack", true)
	c.queried("prometheus", resultValue, time.Second)
	families, err := registry.Gather()
	if err != nil || len(families) != 13 {
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
