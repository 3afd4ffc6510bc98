package canary

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// evidenceMetrics are the Prometheus metrics of the continuous judge. Flagger has none of it.
type evidenceMetrics struct {
	evidence *prometheus.GaugeVec
	limit    *prometheus.GaugeVec
	verdicts *prometheus.CounterVec
}

func newEvidenceMetrics(registry prometheus.Registerer) evidenceMetrics {
	labels := []string{"name", "namespace"}
	m := evidenceMetrics{
		evidence: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_canary_log_evidence",
			Help: "Logarithm of the evidence for rolling back, as last recorded.",
		}, labels),
		limit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_canary_log_evidence_limit",
			Help: "The value of sluice_canary_log_evidence that rolls back.",
		}, labels),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_canary_verdicts_total",
			Help: "Verdicts of the continuous judge, counted when they change.",
		}, append(labels, "verdict")),
	}
	registry.MustRegister(m.evidence, m.limit, m.verdicts)
	return m
}

// recorded notes what a state says of the evidence. Without any the series of the last rollout end.
func (m evidenceMetrics) recorded(name, namespace string, before, after *canaryv1beta1.EvidenceStatus) {
	if after == nil {
		if before != nil {
			m.forget(name, namespace)
		}
		return
	}
	for gauge, text := range map[*prometheus.GaugeVec]string{m.evidence: after.LogEvidence, m.limit: after.Limit} {
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			gauge.WithLabelValues(name, namespace).Set(value)
		}
	}
	if before == nil || before.Verdict != after.Verdict {
		m.verdicts.WithLabelValues(name, namespace, string(after.Verdict)).Inc()
	}
}

// forget ends the gauges. The counter stays: it counts what happened.
func (m evidenceMetrics) forget(name, namespace string) {
	m.evidence.DeleteLabelValues(name, namespace)
	m.limit.DeleteLabelValues(name, namespace)
}

// evidenceOf is the evidence in a state, nil without any.
func evidenceOf(status *canaryv1beta1.CanaryStatus) *canaryv1beta1.EvidenceStatus {
	if status.Rollout == nil {
		return nil
	}
	return status.Rollout.Evidence
}
