package canary

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// gauges are the Prometheus metrics of releases, with the names and labels that dashboards and alerts written for
// Flagger use. The label name is the target's name, not the Canary's.
type gauges struct {
	info      *prometheus.GaugeVec
	total     *prometheus.GaugeVec
	status    *prometheus.GaugeVec
	weight    *prometheus.GaugeVec
	duration  *prometheus.HistogramVec
	analysis  *prometheus.GaugeVec
	successes *prometheus.CounterVec
	failures  *prometheus.CounterVec
	evidence  evidenceMetrics

	mu      sync.Mutex
	targets map[types.NamespacedName]string // target by Canary, to count them and to clean up behind them
}

func newGauges(registry prometheus.Registerer) *gauges {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "flagger_" + name, Help: help}, labels)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "flagger_" + name, Help: help},
			[]string{"name", "namespace", "deployment_strategy", "analysis_status"})
	}
	g := &gauges{
		info:   gauge("info", "Version and mesh provider of this process.", "version", "mesh_provider"),
		total:  gauge("canary_total", "Canaries per namespace.", "namespace"),
		status: gauge("canary_status", "0 while a release is analysed, 2 after one failed, 1 otherwise.", "name", "namespace"),
		weight: gauge("canary_weight", "Share of the traffic in percent, of the target and of its primary.", "workload", "namespace"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flagger_canary_duration_seconds", Help: "Duration of one pass over a Canary.", Buckets: prometheus.DefBuckets,
		}, []string{"name", "namespace"}),
		analysis:  gauge("canary_metric_analysis", "Last value of a metric of the analysis; request-duration in seconds.", "name", "namespace", "metric"),
		successes: counter("canary_successes_total", "Releases that were promoted."),
		failures:  counter("canary_failures_total", "Releases that were rolled back."),
		targets:   map[types.NamespacedName]string{},
	}
	registry.MustRegister(g.info, g.total, g.status, g.weight, g.duration, g.analysis, g.successes, g.failures)
	g.evidence = newEvidenceMetrics(registry)
	return g
}

// observe notes how long a pass took.
func (g *gauges) observe(c *canaryv1beta1.Canary, took time.Duration) {
	g.duration.WithLabelValues(c.Spec.TargetRef.Name, c.Namespace).Observe(took.Seconds())
}

// recorded notes a state, and its difference from the one before where that is what counts.
func (g *gauges) recorded(before *canaryv1beta1.Canary, after *canaryv1beta1.CanaryStatus) {
	name, namespace := before.Spec.TargetRef.Name, before.Namespace
	g.count(keyOf(before), name)
	g.status.WithLabelValues(name, namespace).Set(statusValue(after.Phase))
	g.weight.WithLabelValues(name, namespace).Set(float64(after.CanaryWeight))
	g.weight.WithLabelValues(name+"-primary", namespace).Set(100 - float64(after.CanaryWeight))
	if after.Rollout != nil {
		for _, m := range after.Rollout.Metrics {
			g.measured(name, namespace, m)
		}
	}
	g.evidence.recorded(name, namespace, evidenceOf(&before.Status), evidenceOf(after))
	if before.Status.Phase == after.Phase {
		return
	}
	labels := []string{name, namespace, string(canary.StrategyOf(before)), "completed"}
	if before.Spec.SkipAnalysis {
		labels[3] = "skipped"
	}
	switch after.Phase {
	case canaryv1beta1.CanaryPhaseSucceeded:
		g.successes.WithLabelValues(labels...).Inc()
	case canaryv1beta1.CanaryPhaseFailed:
		g.failures.WithLabelValues(labels...).Inc()
	}
}

func (g *gauges) measured(name, namespace string, m canaryv1beta1.MetricResult) {
	value, err := strconv.ParseFloat(m.Value, 64)
	if err != nil {
		return // no data
	}
	if m.Name == canaryv1beta1.MetricRequestDuration {
		value /= 1000 // the spec and the status count in milliseconds
	}
	g.analysis.WithLabelValues(name, namespace, m.Name).Set(value)
}

func (g *gauges) count(key types.NamespacedName, target string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.targets[key]; !known {
		g.total.WithLabelValues(key.Namespace).Inc()
	}
	g.targets[key] = target
}

// forget removes the series of a Canary that is no more. The counters stay: they count what happened.
func (g *gauges) forget(key types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	target, known := g.targets[key]
	if !known {
		return
	}
	delete(g.targets, key)
	g.total.WithLabelValues(key.Namespace).Dec()
	g.status.DeleteLabelValues(target, key.Namespace)
	g.weight.DeleteLabelValues(target, key.Namespace)
	g.weight.DeleteLabelValues(target+"-primary", key.Namespace)
	g.duration.DeleteLabelValues(target, key.Namespace)
	g.evidence.forget(target, key.Namespace)
	g.analysis.DeletePartialMatch(prometheus.Labels{"name": target, "namespace": key.Namespace})
}

func statusValue(phase canaryv1beta1.CanaryPhase) float64 {
	switch phase {
	case canaryv1beta1.CanaryPhaseProgressing:
		return 0
	case canaryv1beta1.CanaryPhaseFailed:
		return 2
	}
	return 1
}
