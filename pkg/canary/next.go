package canary

import (
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Next decides what happens to a Canary, from its spec, its state (the status) and what was observed.
func Next(c *canaryv1beta1.Canary, obs Observation) Plan {
	return Plan{Status: *c.Status.DeepCopy()}
}

// MetricWindow names, by metric, the span that each metric of the analysis is to be measured over at the time now:
// the metric's interval or the time since the step was reached, whichever is shorter.
func MetricWindow(c *canaryv1beta1.Canary, now time.Time) map[string]Span {
	return nil
}
