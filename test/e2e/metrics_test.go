//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics are what a process says of itself, by name.
type metrics map[string]*dto.MetricFamily

// scrape reads metrics through the API server: its own, or those of a pod.
func scrape(ctx context.Context, path string) (metrics, error) {
	text, err := cluster.Run(ctx, "get", "--raw", path)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	return parser.TextToMetricFamilies(strings.NewReader(text))
}

// webhookMetrics are those of every replica, by the name of its pod.
func webhookMetrics(ctx context.Context) (map[string]metrics, error) {
	names, err := cluster.Run(ctx, "-n", "sluice-system", "get", "pods", "-l", "app.kubernetes.io/name=sluice-webhook", "-o", "jsonpath={.items[*].metadata.name}")
	if err != nil {
		return nil, err
	}
	all := map[string]metrics{}
	for name := range strings.FieldsSeq(names) {
		if all[name], err = scrape(ctx, "/api/v1/namespaces/sluice-system/pods/"+name+":8080/proxy/metrics"); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// total adds up the counters or gauges of a name that have the label, or all of them if the label is empty.
func (m metrics) total(name, label, value string) float64 {
	sum := 0.0
	for _, s := range m.with(name, label, value) {
		sum += s.GetCounter().GetValue() + s.GetGauge().GetValue()
	}
	return sum
}

// distribution adds up the histograms of a name that have the label.
func (m metrics) distribution(name, label, value string) distribution {
	d := distribution{}
	for _, s := range m.with(name, label, value) {
		for _, b := range s.GetHistogram().GetBucket() {
			d[b.GetUpperBound()] += b.GetCumulativeCount()
		}
	}
	return d
}

func (m metrics) with(name, label, value string) []*dto.Metric {
	var out []*dto.Metric
	if label == "" {
		return m[name].GetMetric()
	}
	for _, s := range m[name].GetMetric() {
		for _, l := range s.GetLabel() {
			if l.GetName() == label && l.GetValue() == value {
				out = append(out, s)
			}
		}
	}
	return out
}

// distribution is the count of durations up to each of some bounds, in seconds.
type distribution map[float64]uint64

// since leaves out what was before.
func (d distribution) since(before distribution) distribution {
	out := distribution{}
	for bound, n := range d {
		out[bound] = n - before[bound]
	}
	return out
}

// String tells how many there were, and bounds for half and for nearly all.
func (d distribution) String() string {
	total := d[math.Inf(1)]
	within := func(share float64) string {
		for _, bound := range slices.Sorted(maps.Keys(d)) {
			if float64(d[bound]) >= share*float64(total) {
				return fmt.Sprintf("within %v s", bound)
			}
		}
		return "never"
	}
	return fmt.Sprintf("%d, half %s, 99 %% %s", total, within(0.5), within(0.99))
}

// admission is what the API server and the replicas of the webhook count about new pods.
type admission struct {
	server   metrics
	replicas map[string]metrics
}

func readAdmission(t *testing.T, ctx context.Context) admission {
	t.Helper()
	server, err := scrape(ctx, "/metrics")
	must(t, err)
	replicas, err := webhookMetrics(ctx)
	must(t, err)
	return admission{server, replicas}
}

// measureAdmission returns what logs the figures from here to there, and wants no refusal among them, and every replica
// at work.
func measureAdmission(t *testing.T, ctx context.Context) func(*testing.T) {
	const (
		hook     = "mpod.sluice.dev"
		asked    = "apiserver_admission_webhook_admission_duration_seconds"
		rejected = "apiserver_admission_webhook_rejection_count"
		answered = "sluice_webhook_duration_seconds"
	)
	before := readAdmission(t, ctx)
	return func(t *testing.T) {
		t.Helper()
		now := readAdmission(t, ctx)
		t.Logf("the API server waited for answers: %s", now.server.distribution(asked, "name", hook).since(before.server.distribution(asked, "name", hook)))
		if n := now.server.total(rejected, "name", hook) - before.server.total(rejected, "name", hook); n != 0 {
			t.Errorf("the API server counts %v refusals", n)
		}
		for name, replica := range now.replicas {
			was := before.replicas[name]
			answers := replica.distribution(answered, "path", "/mutate-v1-pod").since(was.distribution(answered, "path", "/mutate-v1-pod"))
			t.Logf("%s answered: %s; CPU %.1f s, memory %.0f MiB", name, answers, replica.total("process_cpu_seconds_total", "", "")-was.total("process_cpu_seconds_total", "", ""),
				replica.total("process_resident_memory_bytes", "", "")/(1<<20))
			if answers[math.Inf(1)] == 0 {
				t.Errorf("%s answered nothing", name)
			}
		}
	}
}
