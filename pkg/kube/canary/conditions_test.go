package canary

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/metric"
)

// ready is the condition of an object as "Status Reason: message".
func (w *world) ready(resource schema.GroupVersionResource, name string) string {
	u := w.get(resource, name)
	if u == nil {
		return "gone"
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range list {
		if c := item.(map[string]any); c["type"] == "Ready" {
			message, _ := c["message"].(string)
			return strings.TrimSuffix(c["status"].(string)+" "+c["reason"].(string)+": "+message, ": ")
		}
	}
	return ""
}

func TestWhatCanariesReferToHasACondition(t *testing.T) {
	w := newWorld(t)
	w.apply(metricTemplates, `{apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: {name: errors}, spec: {provider: {type: graphite, address: "http://g"}, query: a}}`)
	w.apply(alertProviders, alertProvider("chat", `{type: slack, address: "https://hooks.slack.com/x"}`))
	w.start()
	w.until("the template is refused", func() bool {
		return w.ready(metricTemplates, "errors") == `False Invalid: spec.provider.type: SL072: metrics of graphite are not served, so every check that needs this one waits; use prometheus, datadog, cloudwatch or externalmetrics`
	})
	w.until("the provider is accepted", func() bool { return w.ready(alertProviders, "chat") == "True Valid" })
	w.settle()
	before := w.requests.Load()
	for range 60 {
		w.clock.Step(time.Second)
	}
	w.settle()
	if n := w.requests.Load() - before; n != 0 {
		t.Errorf("%d requests although nothing changed", n)
	}
	w.apply(metricTemplates, `{apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: {name: errors}, spec: {provider: {type: prometheus, address: "http://p"}, query: a}}`)
	w.until("the template is accepted", func() bool { return w.ready(metricTemplates, "errors") == "True Valid" })
}

func TestARolloutStartsOnceItsTemplateIsThere(t *testing.T) {
	prom := newPromServer(t, "3")
	w := newWorld(t)
	w.metrics = askedMetrics{metric.NewClient(nil)}
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, strings.ReplaceAll(templatedCanary, ", namespace: TEMPLATES", ""))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("it is said what is missing", func() bool {
		return w.told("Rollout of podinfo."+w.namespace+" not started: spec.analysis.metrics[2].templateRef: SL038: there is no MetricTemplate \""+w.namespace+"/errors\"") > 0
	})
	w.secret("login", map[string]string{"token": "hush"})
	w.apply(metricTemplates, strings.ReplaceAll(errorsTemplate, "ADDRESS", prom.URL))
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	if _, login := prom.last(); login != "Bearer hush" {
		t.Errorf("login %q", login)
	}
}
