package canary

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/test/promises"
)

// TestMetricsAreDocumented keeps the page and the code together, labels included.
func TestMetricsAreDocumented(t *testing.T) {
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
	promises.Metrics(t, "../../..", registry, 13)
}
