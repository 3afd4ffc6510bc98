package query

import (
	"testing"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func podinfo() *canaryv1beta1.Canary {
	c := &canaryv1beta1.Canary{}
	c.Name, c.Namespace = "web", "demo"
	c.Spec.TargetRef.Name = "podinfo"
	return c
}

func TestRender(t *testing.T) {
	apex := podinfo()
	apex.Spec.Service.Name = "shop"
	apex.Spec.IngressRef = &canaryv1beta1.IngressReference{Name: "edge"}
	apex.Spec.RouteRef = &canaryv1beta1.RouteReference{Name: "way"}
	for sentence, c := range map[string]struct {
		canary *canaryv1beta1.Canary
		metric canaryv1beta1.CanaryMetric
		text   string
		want   string
	}{
		"names are the Canary's and its target's": {podinfo(), canaryv1beta1.CanaryMetric{},
			"{{ name }} {{ namespace }} {{ target }} {{ service }} {{ ingress }} {{ route }}", "web demo podinfo podinfo podinfo podinfo"},
		"a service, an ingress and a route of its own": {apex, canaryv1beta1.CanaryMetric{},
			"{{ service }} {{ ingress }} {{ route }}", "shop edge way"},
		"the interval as it is written": {podinfo(), canaryv1beta1.CanaryMetric{Interval: "30s"}, "x[{{ interval }}]", "x[30s]"},
		"an interval that is not there": {podinfo(), canaryv1beta1.CanaryMetric{}, "x[{{ interval }}]", "x[1m]"},
		"a variable":                    {podinfo(), canaryv1beta1.CanaryMetric{TemplateVariables: map[string]string{"zone": "a"}}, "{{ variables.zone }}", "a"},
		"a variable that nobody gives":  {podinfo(), canaryv1beta1.CanaryMetric{TemplateVariables: map[string]string{"zone": "a"}}, "{{ variables.region }}", `fill in the query: template: query:1:3: executing "query" at <variables>: map has no entry for key "region"`},
		"variables of which there are none": {podinfo(), canaryv1beta1.CanaryMetric{}, "{{ variables.zone }}",
			`fill in the query: template: query:1:3: executing "query" at <variables>: map has no entry for key "zone"`},
		"a function that is not there": {podinfo(), canaryv1beta1.CanaryMetric{}, "{{ cluster }}",
			`read the query as a template: template: query:1: function "cluster" not defined`},
		"a query is otherwise left as it is": {podinfo(), canaryv1beta1.CanaryMetric{}, "a  {\n b } ", "a  {\n b } "},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, err := Render(c.text, Of(c.canary, c.metric))
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	if err := Check("up{x=\"{{ variables.anything }}\"}"); err != nil {
		t.Error("which variables there are is the metric's business:", err)
	}
	if err := Check("{{ nothing }}"); err == nil {
		t.Error("a function that does not exist must be found whoever asks")
	}
}

func TestBuiltin(t *testing.T) {
	subject := Of(podinfo(), canaryv1beta1.CanaryMetric{Interval: "30s"})
	const pods = `kubernetes_namespace="demo",kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"`
	for _, c := range []struct{ metric, kind, provider, want string }{
		{"request-success-rate", "Deployment", "", `(sum(rate(envoy_cluster_upstream_rq{` + pods + `,envoy_response_code!~"5.*"}[30s]))` +
			` or sum(rate(envoy_cluster_upstream_rq{` + pods + `}[30s])) * 0) / sum(rate(envoy_cluster_upstream_rq{` + pods + `}[30s])) * 100`},
		{"request-duration", "Deployment", "appmesh", `histogram_quantile(0.99, sum(rate(envoy_cluster_upstream_rq_time_bucket{` + pods + `}[30s])) by (le))`},
		{"request-success-rate", "Deployment", "kubernetes", `(sum(rate(http_request_duration_seconds_count{` + pods + `,status!~"5.*"}[30s]))` +
			` or sum(rate(http_request_duration_seconds_count{` + pods + `}[30s])) * 0) / sum(rate(http_request_duration_seconds_count{` + pods + `}[30s])) * 100`},
		{"request-duration", "Deployment", "kubernetes", `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{` + pods + `}[30s])) by (le)) * 1000`},
		{"request-duration", "DaemonSet", "", `histogram_quantile(0.99, sum(rate(envoy_cluster_upstream_rq_time_bucket{` +
			`kubernetes_namespace="demo",kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+"}[30s])) by (le))`},
	} {
		spec := canaryv1beta1.CanarySpec{Provider: c.provider, TargetRef: canaryv1beta1.LocalObjectReference{Kind: c.kind}}
		text, ok := Builtin(c.metric, spec)
		if !ok {
			t.Fatal(c.metric, "is built in")
		}
		if got, err := Render(text, subject); err != nil || got != c.want {
			t.Errorf("%s of a %s: %v\ngot  %s\nwant %s", c.metric, c.kind, err, got, c.want)
		}
	}
	if _, ok := Builtin("404s", canaryv1beta1.CanarySpec{}); ok {
		t.Error("404s is not built in")
	}
}
