package validate

import (
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// builtin tells whether a metric has a name that needs no query.
func builtin(name string) bool {
	return name == canaryv1beta1.MetricRequestSuccessRate || name == canaryv1beta1.MetricRequestDuration
}

// canaryMetricsDefined is SL038.
func canaryMetricsDefined(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil {
		return nil
	}
	var out []problem
	seen := map[string]bool{}
	for i, metric := range a.Metrics {
		path := analysisPath.Child("metrics").Index(i)
		if seen[metric.Name] {
			out = append(out, problem{path.Child("name"), Warn, sprintf("two metrics are called %s, and events, status and statistics do not say which of them is meant; give each a name of its own", metric.Name)})
		}
		seen[metric.Name] = true
		switch {
		case metric.TemplateRef == nil && metric.Query == "":
			if !builtin(metric.Name) {
				out = append(out, problem{path.Child("name"), Deny, sprintf(
					"%q is no metric that we know, and it has neither query nor templateRef, so no check could ever pass; write %s or %s, or add a templateRef",
					metric.Name, canaryv1beta1.MetricRequestSuccessRate, canaryv1beta1.MetricRequestDuration)})
			}
			continue
		case builtin(metric.Name):
			out = append(out, problem{path.Child("name"), Warn, sprintf("%s is a metric that needs no query, and this one has its own, which is what counts; give it another name", metric.Name)})
		}
		if metric.TemplateRef != nil {
			out = append(out, c.templateThere(i, inNamespace(*metric.TemplateRef, c.new.Namespace))...)
		}
	}
	return out
}

// templateThere looks for a metric's template, and for the Secret of its provider.
func (c change[T]) templateThere(i int, ref canaryv1beta1.CrossNamespaceObjectReference) []problem {
	path, name := analysisPath.Child("metrics").Index(i).Child("templateRef"), ref.Namespace+"/"+ref.Name
	template := find[canaryv1beta1.MetricTemplate](c.world, kindMetricTemplate, ref.Namespace, ref.Name)
	if template == nil {
		if !c.world.knows(kindMetricTemplate, ref.Namespace) {
			return nil
		}
		return one(path, c.world.atStart(), "there is no MetricTemplate %q, so no check could pass; apply it, or correct the reference", name)
	}
	secret := template.Spec.Provider.SecretRef
	if secret == nil || !c.world.knows(kindSecret, ref.Namespace) || c.world.object(kindSecret, ref.Namespace, secret.Name) != nil {
		return nil
	}
	return one(path, c.world.atStart(), "MetricTemplate %q needs Secret %q for its provider, and there is none; create it in namespace %s", name, secret.Name, ref.Namespace)
}

// canaryRangesHold is SL039.
func canaryRangesHold(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil {
		return nil
	}
	var out []problem
	for i, metric := range a.Metrics {
		path := analysisPath.Child("metrics").Index(i)
		if metric.ThresholdRange == nil {
			if metric.Threshold == nil {
				out = append(out, problem{path.Child("thresholdRange"), Warn, sprintf("%s has no bounds, so whatever is measured passes; add thresholdRange with min or max", metric.Name)})
			}
			continue
		}
		path = path.Child("thresholdRange")
		low, high := metric.ThresholdRange.Min, metric.ThresholdRange.Max
		switch rate := metric.Name == canaryv1beta1.MetricRequestSuccessRate; {
		case low == nil && high == nil:
			out = append(out, problem{path, Warn, sprintf("the range of %s has neither min nor max, so whatever is measured passes; add one of them", metric.Name)})
		case low != nil && high != nil && *low > *high:
			out = append(out, problem{path.Child("min"), Deny, sprintf("min %v is more than max %v, so no value of %s could pass; write them the other way round", *low, *high, metric.Name)})
		case rate && low != nil && *low > 100:
			out = append(out, problem{path.Child("min"), Deny, sprintf("a success rate is a percentage and never more than 100, so min %v could not be reached; write 100 or less, such as 99", *low)})
		case rate && low != nil && *low > 0 && *low <= 1:
			out = append(out, problem{path.Child("min"), Warn, sprintf("a success rate is a percentage, so min %v lets nearly every failure pass; for %[1]v of all requests write %v", *low, *low*100)})
		case metric.Name == canaryv1beta1.MetricRequestDuration && high != nil && *high <= 0:
			out = append(out, problem{path.Child("max"), Deny, sprintf("a duration of %v milliseconds or less is never measured; write the milliseconds that are still good, such as 500", *high)})
		}
	}
	return out
}
