package validate

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
)

const (
	// usualTimeout is that of a webhook without one.
	usualTimeout = 10 * time.Second
	// pollInterval is how often the proxies' counters are read.
	pollInterval = time.Second
	// scrapeInterval is how often a Prometheus scrapes at its most usual fastest.
	scrapeInterval = 5 * time.Second
)

var analysisPath = field.NewPath("spec", "analysis")

// judged gives the analysis of a Canary, nil when it has none that is ever used.
func judged(canary *canaryv1beta1.Canary) *canaryv1beta1.CanaryAnalysis {
	if canary.Spec.SkipAnalysis {
		return nil
	}
	return canary.Spec.Analysis
}

// canaryIntervalServed is SL034.
func canaryIntervalServed(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || a.Interval == "" {
		return nil
	}
	d, err := time.ParseDuration(a.Interval)
	path := analysisPath.Child("interval")
	switch {
	case err != nil:
		return one(path, Warn, "interval %q cannot be read, so the checks come every %s; write whole seconds or minutes, such as 30s or 1m", a.Interval, seconds(engine.Interval(c.new)))
	case a.Gate == nil && d < engine.Interval(c.new):
		return one(path, Warn, "interval %s runs as %s, as it always did; write %[2]s, or set analysis.gate, which allows shorter ones", a.Interval, seconds(engine.Interval(c.new)))
	case d < engine.Interval(c.new):
		return one(path, Warn, "interval %s runs as %s, which is how often the proxies are read; write %[2]s", a.Interval, seconds(engine.Interval(c.new)))
	}
	return nil
}

// seconds prints a duration as fields of a Canary have it.
func seconds(d time.Duration) string {
	if d%time.Minute == 0 {
		return sprintf("%dm", d/time.Minute)
	}
	return sprintf("%ds", d/time.Second)
}

// canaryWindowsSampled is SL035: the window of a metric holds two samples at least, or a rate cannot be made of it.
func canaryWindowsSampled(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil {
		return nil
	}
	var out []problem
	for i, metric := range a.Metrics {
		d, err := time.ParseDuration(metric.Interval)
		sampled, by := pollInterval, "the proxies are read"
		if c.new.Spec.MetricsServer != "" || metric.Query != "" || metric.TemplateRef != nil {
			sampled, by = scrapeInterval, "Prometheus scrapes at its fastest usual setting"
		}
		if metric.Interval == "" || err != nil || d >= 2*sampled {
			continue
		}
		out = append(out, problem{analysisPath.Child("metrics").Index(i).Child("interval"), Warn, sprintf(
			"the window of %s is %s, and %s every %s, so it often holds fewer than two samples and says nothing; write %s or more",
			metric.Name, metric.Interval, by, seconds(sampled), seconds(2*sampled))})
	}
	return out
}

// saneRates are the shares of healthy rollouts that somebody may want to be rolled back.
const (
	leastRate = 0.0001
	mostRate  = 0.1
)

// canaryRateSane is SL075.
func canaryRateSane(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || a.Gate == nil || a.Gate.FalseRollbackRate == "" {
		return nil
	}
	path, text := analysisPath.Child("gate", "falseRollbackRate"), a.Gate.FalseRollbackRate
	switch rate, ok := engine.DeclaredRate(text); {
	case a.Gate.Mode != canaryv1beta1.GateModeContinuous:
		return one(path, Warn, "falseRollbackRate is the continuous judge's, and the mode is Interval, so it does nothing; set mode to Continuous, or remove it")
	case !ok:
		return one(path, Warn, "%q is no percentage between 0%% and 50%%, so 1%% is what counts; write a percentage, such as 0.5%%", text)
	case rate > mostRate:
		return one(path, Warn, "%s of all healthy releases may be rolled back, and people stop believing in rollbacks; write 10%% or less, such as 1%%", text)
	case rate < leastRate:
		return one(path, Warn, "with %s the judge wants so much evidence that bad releases stay for long; write 0.01%% or more, such as 1%%", text)
	}
	return nil
}

// canaryThresholdCounts is SL036.
func canaryThresholdCounts(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || a.Threshold == nil || a.Threshold.Int() > 0 {
		return nil
	}
	return one(analysisPath.Child("threshold"), Warn, "threshold %v counts as 1, so the first failed check rolls back; write the number of failed checks to accept and one, such as 5", *a.Threshold)
}

// canaryIsJudged is SL040.
func canaryIsJudged(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || len(a.Metrics) > 0 || slices.ContainsFunc(a.Webhooks, func(hook canaryv1beta1.CanaryWebhook) bool {
		switch hook.Type {
		case canaryv1beta1.EventHook, canaryv1beta1.PostRolloutHook:
			return false
		}
		return true
	}) {
		return nil
	}
	return one(analysisPath.Child("metrics"), Warn,
		"nothing is judged, so every release that starts is promoted; add metrics, such as {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}")
}

// canaryHooksAnswer is SL041.
func canaryHooksAnswer(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil {
		return nil
	}
	var out []problem
	for i, hook := range a.Webhooks {
		path := analysisPath.Child("webhooks").Index(i)
		address, err := url.Parse(hook.URL)
		if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
			out = append(out, problem{path.Child("url"), Deny, sprintf(
				"%q is no address that can be called, so webhook %s would fail at every call; write a whole one, such as http://flagger-loadtester.test/", hook.URL, hook.Name)})
			continue
		}
		out = append(out, hookTimeout(path.Child("timeout"), engine.Interval(c.new), hook)...)
		if service := c.world.missingService(c.new.Namespace, address.Hostname()); service != "" {
			out = append(out, problem{path.Child("url"), Warn, sprintf(
				"there is no Service %q, so nobody answers webhook %s; apply it, or correct the address %s", service, hook.Name, hook.URL)})
		}
	}
	return out
}

// hookTimeout judges how long a webhook may take, given the time between two checks.
func hookTimeout(path *field.Path, interval time.Duration, hook canaryv1beta1.CanaryWebhook) []problem {
	timeout, err := time.ParseDuration(hook.Timeout)
	switch {
	case hook.Timeout == "":
		timeout = usualTimeout
	case err != nil || timeout <= 0:
		return one(path, Warn, "timeout %q of webhook %s counts as %s; write whole seconds or minutes, such as 30s", hook.Timeout, hook.Name, seconds(usualTimeout))
	}
	atEveryCheck := hook.Type == "" || hook.Type == canaryv1beta1.RolloutHook || hook.Type == canaryv1beta1.RollbackHook || hook.Type == canaryv1beta1.ConfirmTrafficIncreaseHook
	if atEveryCheck && timeout > interval {
		return one(path, Warn, "webhook %s may take %s and is called at every check, which comes every %s; set timeout to %[3]s or less, or a longer interval", hook.Name, seconds(timeout), seconds(interval))
	}
	return nil
}

// missingService gives namespace/name of the Service that a host name inside the cluster means, if it is known that
// there is none; else "".
func (w World) missingService(namespace, host string) string {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	switch {
	case strings.Contains(host, ":"):
		return ""
	case len(labels) == 1:
	case len(labels) == 2, len(labels) > 2 && labels[2] == "svc":
		namespace = labels[1]
	default:
		return "" // outside the cluster
	}
	if !w.knows(kindService, namespace) || w.object(kindService, namespace, labels[0]) != nil || strings.Trim(host, "0123456789.") == "" {
		return ""
	}
	if len(labels) == 2 && w.object(kindNamespace, "", namespace) == nil {
		return "" // example.com is no Service
	}
	return namespace + "/" + labels[0]
}

// canarySkips is SL067.
func canarySkips(c change[canaryv1beta1.Canary]) []problem {
	if !c.new.Spec.SkipAnalysis {
		return nil
	}
	return one(field.NewPath("spec", "skipAnalysis"), Warn, "every new revision goes to all users as soon as it is ready, and no metric or webhook is asked; remove skipAnalysis once what had to be skipped is out")
}

// canaryAlertsFire is SL068.
func canaryAlertsFire(c change[canaryv1beta1.Canary]) []problem {
	a := c.new.Spec.Analysis
	if a == nil {
		return nil
	}
	var out []problem
	for i, alert := range a.Alerts {
		path := analysisPath.Child("alerts").Index(i)
		if alert.Severity == "" {
			out = append(out, problem{path.Child("severity"), Warn, sprintf("alert %s has no severity, so it is sent whatever happens, and Flagger would never send it; set severity to info, warn or error", alert.Name)})
		}
		ref := inNamespace(alert.ProviderRef, c.new.Namespace)
		if c.world.knows(kindAlertProvider, ref.Namespace) && c.world.object(kindAlertProvider, ref.Namespace, ref.Name) == nil {
			out = append(out, problem{path.Child("providerRef"), Warn, sprintf(
				"there is no AlertProvider %q, so alert %s goes nowhere; apply it, or correct the reference", ref.Namespace+"/"+ref.Name, alert.Name)})
		}
	}
	return out
}
