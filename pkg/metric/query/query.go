package query

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"text/template"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Subject is what a query can be about: a Canary and one of its metrics.
type Subject struct {
	// Name and Namespace are the Canary's.
	Name, Namespace string
	// Target is the name of the target, Service that of the apex.
	Target, Service string
	// Ingress and Route are the names of those references, the target's where there are none.
	Ingress, Route string
	// Interval is the metric's, as text: 1m.
	Interval string
	// Variables are the metric's templateVariables.
	Variables map[string]string
}

// defaultInterval is the span of a metric that names none.
const defaultInterval = "1m"

// Of says what a query of this metric is about.
func Of(c *canaryv1beta1.Canary, m canaryv1beta1.CanaryMetric) Subject {
	target := c.Spec.TargetRef.Name
	s := Subject{
		Name: c.Name, Namespace: c.Namespace, Target: target,
		Service: cmp.Or(c.Spec.Service.Name, target), Ingress: target, Route: target,
		Interval: cmp.Or(m.Interval, defaultInterval), Variables: m.TemplateVariables,
	}
	if c.Spec.IngressRef != nil {
		s.Ingress = c.Spec.IngressRef.Name
	}
	if c.Spec.RouteRef != nil {
		s.Route = c.Spec.RouteRef.Name
	}
	return s
}

// Render fills in a query. The text is a Go template with the functions name, namespace, target, service, ingress,
// route, interval and variables; a variable that the metric does not give is an error.
func Render(text string, s Subject) (string, error) {
	t, err := parse(text, s)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := t.Execute(&out, nil); err != nil {
		return "", fmt.Errorf("fill in the query: %w", err)
	}
	return out.String(), nil
}

// Check says what is wrong with a query whoever asks it: a template that cannot be read.
func Check(text string) error {
	_, err := parse(text, Subject{})
	return err
}

func parse(text string, s Subject) (*template.Template, error) {
	value := func(v string) func() string { return func() string { return v } }
	t, err := template.New("query").Option("missingkey=error").Funcs(template.FuncMap{
		"name":      value(s.Name),
		"namespace": value(s.Namespace),
		"target":    value(s.Target),
		"service":   value(s.Service),
		"ingress":   value(s.Ingress),
		"route":     value(s.Route),
		"interval":  value(s.Interval),
		// Never nil: missingkey would not be an error.
		"variables": func() map[string]string {
			filled := map[string]string{}
			maps.Copy(filled, s.Variables)
			return filled
		},
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the query as a template: %w", err)
	}
	return t, nil
}
