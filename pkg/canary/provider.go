package canary

import (
	"fmt"
	"slices"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Who answers for a metric: the Envoys themselves for a built-in one, unless the spec names a metricsServer, and for
// every other a provider.

// isBuiltin tells whether the metric is one of those that need neither a query nor a template.
func isBuiltin(m canaryv1beta1.CanaryMetric) bool {
	return m.TemplateRef == nil && m.Query == "" &&
		(m.Name == canaryv1beta1.MetricRequestSuccessRate || m.Name == canaryv1beta1.MetricRequestDuration)
}

func (s settings) fromEnvoy(m canaryv1beta1.CanaryMetric) bool {
	return isBuiltin(m) && s.Spec.MetricsServer == ""
}

// FromEnvoy tells whether the Envoys answer for a metric of this name. A provider may be asked for another of the
// same name.
func FromEnvoy(c *canaryv1beta1.Canary, name string) bool {
	s := settings{c}
	return slices.ContainsFunc(s.analysis().Metrics, func(m canaryv1beta1.CanaryMetric) bool {
		return m.Name == name && s.fromEnvoy(m)
	})
}

// metricKey is where the measurement of the i-th metric is found: under its name, unless that is taken by an earlier
// metric, or by one that the Envoys answer for.
func (s settings) metricKey(i int) string {
	metrics := s.analysis().Metrics
	name := metrics[i].Name
	if s.fromEnvoy(metrics[i]) {
		return name
	}
	n := 1
	for j, other := range metrics {
		if other.Name == name && (j < i || s.fromEnvoy(other)) {
			n++
		}
	}
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%s#%d", name, n)
}

// counts tells whether a check without a verdict is a failed one. No traffic is, by Flagger's rule, unless the spec says
// that it holds. A provider that does not answer says nothing about the release, so it is only where the spec asks for
// that rule by name. Pods that cannot be read never are.
func (s settings) counts(got Measurement) bool {
	if got.Err != "" || got.Unasked != "" {
		g := s.analysis().Gate
		return g != nil && g.NoData == canaryv1beta1.GateNoDataFail
	}
	return len(got.Unreachable) == 0 && !s.holdsOnNoData()
}
