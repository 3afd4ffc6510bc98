package canary

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/metric/query"
)

// measure asks the provider of a metric. What cannot be asked is an answer, too: it is for Next to say what it means.
func (s *shell) measure(ctx context.Context, c *canaryv1beta1.Canary, m canaryv1beta1.CanaryMetric) canary.Measurement {
	q, unasked := s.metricQuery(ctx, c, m)
	if unasked.Err == "" && unasked.Unasked == "" {
		unasked = s.login(ctx, c, m, &q)
	}
	if unasked.Err != "" || unasked.Unasked != "" {
		s.counters.queried(q.Provider.Type, resultUnasked, 0)
		return unasked
	}
	began := time.Now()
	value, found, err := s.metrics.Ask(ctx, q)
	took := time.Since(began)
	switch {
	case err != nil:
		s.counters.queried(q.Provider.Type, resultError, took)
		return canary.Measurement{Err: err.Error()}
	case !found:
		s.counters.queried(q.Provider.Type, resultEmpty, took)
		return canary.Measurement{NoData: true}
	}
	s.counters.queried(q.Provider.Type, resultValue, took)
	return canary.Measurement{Value: value}
}

// metricQuery makes the question about a metric, or says in a Measurement why there is none.
func (s *shell) metricQuery(ctx context.Context, c *canaryv1beta1.Canary, m canaryv1beta1.CanaryMetric) (MetricQuery, canary.Measurement) {
	failed := func(format string, args ...any) (MetricQuery, canary.Measurement) {
		return MetricQuery{}, canary.Measurement{Err: fmt.Sprintf(format, args...)}
	}
	if s.metrics == nil {
		return failed("this process asks no metric providers")
	}
	if m.TemplateRef != nil {
		return s.templateQuery(ctx, c, m)
	}
	text, address := m.Query, cmp.Or(c.Spec.MetricsServer, s.metricsServer)
	if text == "" {
		var builtin bool
		if text, builtin = query.Builtin(m.Name, c.Spec); !builtin {
			return failed("it has neither a query nor a templateRef")
		}
	}
	if address == "" {
		return failed("there is no Prometheus to ask; set spec.metricsServer")
	}
	rendered, err := query.Render(text, query.Of(c, m))
	if err != nil {
		return failed("%v", err)
	}
	return MetricQuery{
		Provider: canaryv1beta1.MetricTemplateProvider{Type: canaryv1beta1.MetricProviderPrometheus, Address: address},
		Interval: intervalOf(m), Text: rendered,
	}, canary.Measurement{}
}

// templateQuery makes the question of a MetricTemplate. Its sentences are Flagger's.
func (s *shell) templateQuery(ctx context.Context, c *canaryv1beta1.Canary, m canaryv1beta1.CanaryMetric) (MetricQuery, canary.Measurement) {
	name := referenced(c, *m.TemplateRef)
	failed := func(format string, args ...any) (MetricQuery, canary.Measurement) {
		return MetricQuery{}, canary.Measurement{Unasked: fmt.Sprintf("Metric template %s.%s ", name.Name, name.Namespace) + fmt.Sprintf(format, args...)}
	}
	template, err := s.template(ctx, c, name)
	if err != nil {
		return failed("error: %v", err)
	}
	provider := template.Spec.Provider
	if served := canaryv1beta1.ServedMetricProviders(); !slices.Contains(served, provider.Type) {
		return failed("provider %s error: it is not served, use %s", provider.Type, strings.Join(served, ", "))
	}
	text, err := query.Render(template.Spec.Query, query.Of(c, m))
	if err != nil {
		return failed("query render error: %v", err)
	}
	return MetricQuery{Provider: provider, Interval: intervalOf(m), Text: text}, canary.Measurement{}
}

// login adds the credentials of a template's provider to a question.
func (s *shell) login(ctx context.Context, c *canaryv1beta1.Canary, m canaryv1beta1.CanaryMetric, q *MetricQuery) canary.Measurement {
	if m.TemplateRef == nil || q.Provider.SecretRef == nil {
		return canary.Measurement{}
	}
	template := referenced(c, *m.TemplateRef)
	secret := types.NamespacedName{Namespace: template.Namespace, Name: q.Provider.SecretRef.Name}
	var err error
	if q.Credentials, err = s.secrets.data(ctx, secret); err != nil {
		return canary.Measurement{Unasked: fmt.Sprintf("Metric template %s.%s secret %s error: %v", template.Name, template.Namespace, secret.Name, err)}
	}
	return canary.Measurement{}
}

// unaskable says which metrics nobody could be asked for, so that no rollout starts which could not get on. It reads
// caches only: whether the Secret is there shows at the first check.
func (s *shell) unaskable(ctx context.Context, c *canaryv1beta1.Canary) []string {
	if c.Spec.Analysis == nil {
		return nil
	}
	var sentences []string
	for _, m := range c.Spec.Analysis.Metrics {
		if m.TemplateRef == nil && m.Query == "" || s.missingByRule(ctx, c, m) {
			continue
		}
		switch _, unasked := s.metricQuery(ctx, c, m); {
		case unasked.Unasked != "":
			sentences = append(sentences, unasked.Unasked)
		case unasked.Err != "":
			sentences = append(sentences, fmt.Sprintf("metric %s cannot be asked for: %s", m.Name, unasked.Err))
		}
	}
	return sentences
}

// missingByRule tells whether a metric has no template, and the rulebook says so (SL038).
func (s *shell) missingByRule(ctx context.Context, c *canaryv1beta1.Canary, m canaryv1beta1.CanaryMetric) bool {
	if m.TemplateRef == nil {
		return false
	}
	name := referenced(c, *m.TemplateRef)
	u, err := s.store.get(ctx, object{kindMetricTemplate, name})
	return u == nil && err == nil && s.rulebook.Knows(kindMetricTemplate.Kind, name.Namespace)
}

// template reads a MetricTemplate from the cache.
func (s *shell) template(ctx context.Context, c *canaryv1beta1.Canary, name types.NamespacedName) (*canaryv1beta1.MetricTemplate, error) {
	if s.noCrossNamespaceRefs && name.Namespace != c.Namespace {
		return nil, fmt.Errorf("can't access metric template %s.%s, cross-namespace references are blocked", name.Name, name.Namespace)
	}
	u, err := s.store.get(ctx, object{kindMetricTemplate, name})
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, fmt.Errorf("MetricTemplate %s.%s not found", name.Name, name.Namespace)
	}
	return s.decoded.templates.of(u)
}

// referenced completes a reference: without a namespace it is the Canary's.
func referenced(c *canaryv1beta1.Canary, ref canaryv1beta1.CrossNamespaceObjectReference) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, c.Namespace), Name: ref.Name}
}

// intervalOf is the metric's interval; one minute if it names none that can be read.
func intervalOf(m canaryv1beta1.CanaryMetric) time.Duration {
	d, err := time.ParseDuration(m.Interval)
	if err != nil || d <= 0 {
		return time.Minute
	}
	return d
}

// lookedUp are the objects that a Canary refers to, in whatever namespace: when one of them changes, the Canary looks
// again, because a rollout may have been waiting for it.
func lookedUp(c *canaryv1beta1.Canary) []types.NamespacedName {
	if c.Spec.Analysis == nil {
		return nil
	}
	var names []types.NamespacedName
	for _, m := range c.Spec.Analysis.Metrics {
		if m.TemplateRef != nil {
			names = append(names, referenced(c, *m.TemplateRef))
		}
	}
	return names
}
