package query

import (
	"strings"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// What the built-in metrics ask a Prometheus: Flagger's questions for App Mesh, so that one which was set up for Flagger
// answers as it did. They are about the pods' own counters, under the labels that App Mesh's scrape job gives. Two
// differ: where every request failed the rate is 0 and not missing, and a DaemonSet's pods are its own and not its
// primary's.
//
// Without a mesh it is the application that counts, as Flagger asks there: in a histogram of its requests, in seconds.
const (
	successRate = `(sum(rate(envoy_cluster_upstream_rq{PODS,envoy_response_code!~"5.*"}[{{ interval }}]))` +
		` or sum(rate(envoy_cluster_upstream_rq{PODS}[{{ interval }}])) * 0)` +
		` / sum(rate(envoy_cluster_upstream_rq{PODS}[{{ interval }}])) * 100`

	duration = `histogram_quantile(0.99, sum(rate(envoy_cluster_upstream_rq_time_bucket{PODS}[{{ interval }}])) by (le))`

	appSuccessRate = `(sum(rate(http_request_duration_seconds_count{PODS,status!~"5.*"}[{{ interval }}]))` +
		` or sum(rate(http_request_duration_seconds_count{PODS}[{{ interval }}])) * 0)` +
		` / sum(rate(http_request_duration_seconds_count{PODS}[{{ interval }}])) * 100`

	appDuration = `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{PODS}[{{ interval }}])) by (le)) * 1000`

	pods          = `kubernetes_namespace="{{ namespace }}",kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"`
	daemonSetPods = `kubernetes_namespace="{{ namespace }}",kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+"`
)

// Builtin is the query of a built-in metric of a Canary for a Prometheus; false for a metric that is not built in.
func Builtin(metric string, spec canaryv1beta1.CanarySpec) (string, bool) {
	meshed := spec.Provider != canaryv1beta1.ProviderKubernetes
	var text string
	switch {
	case metric == canaryv1beta1.MetricRequestSuccessRate && meshed:
		text = successRate
	case metric == canaryv1beta1.MetricRequestSuccessRate:
		text = appSuccessRate
	case metric == canaryv1beta1.MetricRequestDuration && meshed:
		text = duration
	case metric == canaryv1beta1.MetricRequestDuration:
		text = appDuration
	default:
		return "", false
	}
	which := pods
	if spec.TargetRef.Kind == canaryv1beta1.TargetKindDaemonSet {
		which = daemonSetPods
	}
	return strings.ReplaceAll(text, "PODS", which), true
}
