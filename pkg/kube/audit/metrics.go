package audit

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// gauge counts the findings of all Canaries. It does not name them: their conditions do.
type gauge struct {
	mu      sync.Mutex
	counted map[series]int
	vec     *prometheus.GaugeVec
}

// series are the labels of one count.
type series struct{ rule, severity, namespace string }

func newGauge(registry prometheus.Registerer) *gauge {
	g := &gauge{counted: map[series]int{}, vec: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sluice_canary_findings",
		Help: "Findings of the rulebook that stand in the conditions of Canaries, by rule and severity.",
	}, []string{"rule", "severity", "namespace"})}
	registry.MustRegister(g.vec)
	return g
}

// replace counts what is known of a Canary now in place of what was known before; either may be nil.
func (g *gauge) replace(namespace string, before, now *canary.Consistency) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count(namespace, before, -1)
	g.count(namespace, now, 1)
}

func (g *gauge) count(namespace string, c *canary.Consistency, by int) {
	if c == nil {
		return
	}
	for _, f := range c.Findings {
		s := series{f.Rule, string(validate.Warn), namespace}
		if f.Error {
			s.severity = string(validate.Deny)
		}
		if g.counted[s] += by; g.counted[s] == 0 {
			delete(g.counted, s)
			g.vec.DeleteLabelValues(s.rule, s.severity, s.namespace)
			continue
		}
		g.vec.WithLabelValues(s.rule, s.severity, s.namespace).Set(float64(g.counted[s]))
	}
}
