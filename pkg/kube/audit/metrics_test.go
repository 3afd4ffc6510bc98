package audit

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/test/promises"
)

func found(rules ...string) *canary.Consistency {
	c := &canary.Consistency{}
	for _, rule := range rules {
		c.Findings = append(c.Findings, canary.RuleFinding{Rule: rule, Error: rule == "SL002"})
	}
	return c
}

// TestFindingsAreCounted: what is no longer found is not counted any more, and leaves no series behind.
func TestFindingsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	g := newGauge(registry)
	g.replace("demo", nil, found("SL002", "SL004"))
	g.replace("demo", nil, found("SL004", "SL004"))
	g.replace("shop", nil, found("SL004"))
	g.replace("demo", found("SL002", "SL004"), found("SL004"))
	g.replace("shop", found("SL004"), nil)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, metric := range families[0].GetMetric() {
		got = append(got, metric.String())
	}
	const want = `label:{name:"namespace" value:"demo"} label:{name:"rule" value:"SL004"} label:{name:"severity" value:"Warning"} gauge:{value:3}`
	if spaces := regexp.MustCompile(` +`); spaces.ReplaceAllString(strings.Join(got, "\n"), " ") != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	promises.Metrics(t, "../../..", registry, 1)
}
