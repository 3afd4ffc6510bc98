package query

import (
	"strings"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// What the built-in metrics ask a Prometheus: Flagger's questions for App Mesh, so that one which was set up for Flagger
// answers as it did. They are about the pods' own counters, under the labels that App Mesh's scrape job gives. Two
// differ: where every request failed the rate is 0 and not missing, and a DaemonSet's pods are its own and not its
// primary's.
const (
	successRate = `(sum(rate(envoy_cluster_upstream_rq{PODS,envoy_response_code!~"5.*"}[{{ interval }}]))` +
		` or sum(rate(envoy_cluster_upstream_rq{PODS}[{{ interval }}])) * 0)` +
		` / sum(rate(envoy_cluster_upstream_rq{PODS}[{{ interval }}])) * 100`

	duration = `histogram_quantile(0.99, sum(rate(envoy_cluster_upstream_rq_time_bucket{PODS}[{{ interval }}])) by (le))`

	pods          = `kubernetes_namespace="{{ namespace }}",kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"`
	daemonSetPods = `kubernetes_namespace="{{ namespace }}",kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+"`
)

// Builtin is the query of a built-in metric for a Prometheus; false for a metric that is not built in.
// kind is that of the target.
func Builtin(metric, kind string) (string, bool) {
	var text string
	switch metric {
	case canaryv1beta1.MetricRequestSuccessRate:
		text = successRate
	case canaryv1beta1.MetricRequestDuration:
		text = duration
	default:
		return "", false
	}
	which := pods
	if kind == canaryv1beta1.TargetKindDaemonSet {
		which = daemonSetPods
	}
	return strings.ReplaceAll(text, "PODS", which), true
}
