package canary

import (
	"fmt"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// The sentences about metrics, in the words that Flagger's users know.

// breach says which bound a value broke: "success rate 69.17% < 99%".
func breach(m canaryv1beta1.CanaryMetric, value float64, r gate.Range) string {
	sign, bound := "<", r.Min
	if r.Min == nil || value >= *r.Min {
		sign, bound = ">", r.Max
	}
	switch {
	case m.TemplateRef != nil || m.Query != "":
	case m.Name == canaryv1beta1.MetricRequestSuccessRate:
		return fmt.Sprintf("success rate %.2f%% %s %v%%", value, sign, *bound)
	case m.Name == canaryv1beta1.MetricRequestDuration:
		return fmt.Sprintf("request duration %v %s %v", milliseconds(value), sign, milliseconds(*bound))
	}
	return fmt.Sprintf("%s %.2f %s %v", m.Name, value, sign, *bound)
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// noValues says that a metric was measured and there was nothing.
func (p *pass) noValues(m canaryv1beta1.CanaryMetric) Event {
	switch {
	case m.TemplateRef != nil:
		return warning(ReasonNoData, "Halt advancement no values found for custom metric: %s: %s", m.Name, noValuesFound)
	case !isBuiltin(m):
		return warning(ReasonNoData, "Halt advancement no values found for metric: %s", m.Name)
	case m.Name == canaryv1beta1.MetricRequestDuration:
		return warning(ReasonNoData, "Halt advancement no values found for %s metric %s probably %s is not receiving traffic",
			p.provider(), m.Name, p.target())
	}
	return warning(ReasonNoData, "Halt advancement no values found for %s metric %s probably %s is not receiving traffic: %s",
		p.provider(), m.Name, p.target(), noValuesFound)
}

const noValuesFound = "no values found"

// queryFailed says that a metric could not be measured.
func (p *pass) queryFailed(m canaryv1beta1.CanaryMetric, err string) Event {
	switch {
	case m.TemplateRef != nil:
		return warning(ReasonQueryFailed, "Metric query failed for %s: %s", m.Name, err)
	case m.Query != "":
		return warning(ReasonQueryFailed, "Prometheus query failed for %s: %s", m.Name, err)
	case isBuiltin(m):
		return warning(ReasonQueryFailed, "Prometheus query failed: %s", err)
	}
	return warning(ReasonQueryFailed, "Metric query failed for no usable metrics template and query were configured")
}

// list joins names or sentences for the end of a sentence.
func list(items []string) string {
	if len(items) == 0 {
		return "unknown"
	}
	return strings.Join(items, "; ")
}
