package admission

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// counters are this process's metrics of admission.
type counters struct {
	pods        *prometheus.CounterVec
	findings    *prometheus.CounterVec
	undecodable *prometheus.CounterVec
	live        *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
}

func newCounters(registry prometheus.Registerer) *counters {
	c := &counters{
		pods: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_webhook_pods_total",
			Help: "Pods that were looked at, by the reason for what became of them.",
		}, []string{"reason"}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_webhook_findings_total",
			Help: "Findings of the rulebook in requests, by rule and severity.",
		}, []string{"rule", "severity"}),
		undecodable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_webhook_undecodable_objects_total",
			Help: "Objects that could not be read and were left out, by resource.",
		}, []string{"resource"}),
		live: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_webhook_live_reads_total",
			Help: "Reads from the API server that confirmed what a cache said, by resource.",
		}, []string{"resource"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_webhook_duration_seconds",
			Help: "Time from the arrival of a request to its answer, by path.",
			// From a quarter of a millisecond, where a pod should be, to the timeout of the webhooks.
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"path"}),
	}
	if registry != nil {
		registry.MustRegister(c.pods, c.findings, c.undecodable, c.live, c.seconds)
	}
	return c
}

func (c *counters) pod(reason inject.Reason) { c.pods.WithLabelValues(string(reason)).Inc() }

func (c *counters) found(findings []validate.Finding) {
	for _, finding := range findings {
		c.findings.WithLabelValues(finding.Rule, string(finding.Severity)).Inc()
	}
}

// timed measures a handler.
func (c *counters) timed(path string, handler http.Handler) http.Handler {
	seconds := c.seconds.WithLabelValues(path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		handler.ServeHTTP(w, r)
		seconds.Observe(time.Since(start).Seconds())
	})
}
