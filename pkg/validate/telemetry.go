package validate

import (
	"text/template"

	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

var metricTemplateRules = []bound[canaryv1beta1.MetricTemplate]{
	{"SL072", templateProviderServed},
	{"SL073", templateReads},
}

var alertProviderRules = []bound[canaryv1beta1.AlertProvider]{
	{"SL074", alertProviderReachable},
}

// MetricTemplate checks a MetricTemplate; old is nil when it is new.
func MetricTemplate(old, new *canaryv1beta1.MetricTemplate, world World) []Finding {
	return evaluate(metricTemplateRules, change[canaryv1beta1.MetricTemplate]{old: old, new: new, world: world})
}

// AlertProvider checks an AlertProvider; old is nil when it is new.
func AlertProvider(old, new *canaryv1beta1.AlertProvider, world World) []Finding {
	return evaluate(alertProviderRules, change[canaryv1beta1.AlertProvider]{old: old, new: new, world: world})
}

// templateProviderServed is SL072. It only warns: a Flagger in the same cluster may serve it.
func templateProviderServed(c change[canaryv1beta1.MetricTemplate]) []problem {
	switch kind := c.new.Spec.Provider.Type; kind {
	case "prometheus", "datadog", "cloudwatch", "externalmetrics":
		return nil
	default:
		return one(field.NewPath("spec", "provider", "type"), Warn, "metrics of %s are not served, so every check that needs this one waits; use prometheus, datadog, cloudwatch or externalmetrics", kind)
	}
}

// templateFunctions are what a query may call. Flagger has them as functions without arguments.
var templateFunctions = template.FuncMap{
	"name": text, "namespace": text, "target": text, "service": text, "ingress": text, "route": text, "interval": text,
	"variables": func() map[string]string { return nil },
}

func text() string { return "" }

// templateReads is SL073.
func templateReads(c change[canaryv1beta1.MetricTemplate]) []problem {
	if _, err := template.New("query").Funcs(templateFunctions).Parse(c.new.Spec.Query); err != nil {
		return one(field.NewPath("spec", "query"), Deny, "the query is no template: %v; it may use {{ name }}, {{ namespace }}, {{ target }}, {{ service }}, {{ ingress }}, {{ route }}, {{ interval }} and {{ variables.x }}", err)
	}
	return nil
}

// alertProviderReachable is SL074.
func alertProviderReachable(c change[canaryv1beta1.AlertProvider]) []problem {
	spec := c.new.Spec
	switch {
	case spec.Address == "" && spec.SecretRef == nil:
		return one(field.NewPath("spec", "address"), Deny, "there is no address to send alerts to; set address, or secretRef to a Secret with the key address")
	case spec.Address != "" && spec.SecretRef != nil:
		return one(field.NewPath("spec", "address"), Warn, "the Secret's address wins over this one; keep one of them, best the Secret, for the address of a chat is a credential")
	}
	return nil
}
