package canary

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Results of a question to a metric provider.
const (
	resultValue   = "value"
	resultEmpty   = "empty"
	resultError   = "error"
	resultUnasked = "unasked"
)

// counters are our own metrics, beside those that Flagger had: what this process exchanges with the world outside.
type counters struct {
	events       *prometheus.CounterVec
	hooks        *prometheus.HistogramVec
	queries      *prometheus.CounterVec
	alerts       *prometheus.CounterVec
	querySeconds *prometheus.HistogramVec
}

func newCounters(registry prometheus.Registerer) *counters {
	c := &counters{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_canary_events_total", Help: "Events of Canaries: written, failed for good, or dropped because too many waited.",
		}, []string{"result"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_canary_alerts_total", Help: "Alerts by the type of their provider: sent, or failed for good.",
		}, []string{"type", "result"}),
		hooks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_canary_hook_seconds", Help: "Calls of webhooks with all their attempts, by type and answer.", Buckets: prometheus.DefBuckets,
		}, []string{"type", "result"}),
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_canary_metric_queries_total", Help: "Questions to metric providers by what came of them.",
		}, []string{"provider", "result"}),
		querySeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_canary_metric_query_seconds", Help: "Time until a metric provider answered.", Buckets: prometheus.DefBuckets,
		}, []string{"provider"}),
	}
	registry.MustRegister(c.events, c.hooks, c.alerts, c.queries, c.querySeconds)
	return c
}

// called notes the call of a webhook.
func (c *counters) called(kind canaryv1beta1.HookType, err error, took time.Duration) {
	result := "yes"
	if err != nil {
		result = "no"
	}
	c.hooks.WithLabelValues(string(kind), result).Observe(took.Seconds())
}

// alerted notes an alert that was sent, or not.
func (c *counters) alerted(provider string, sent bool) {
	result := "failed"
	if sent {
		result = "sent"
	}
	if provider == "" {
		provider = "unknown"
	}
	c.alerts.WithLabelValues(provider, result).Inc()
}

// queried notes a question to a metric provider.
func (c *counters) queried(provider, result string, took time.Duration) {
	if provider == "" {
		provider = "unknown"
	}
	c.queries.WithLabelValues(provider, result).Inc()
	if result != resultUnasked {
		c.querySeconds.WithLabelValues(provider).Observe(took.Seconds())
	}
}
