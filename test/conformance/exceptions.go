package conformance

import "strings"

// Exception is a difference that is meant.
type Exception struct {
	// Kind of the object.
	Kind string
	// Path of the field. A path that ends in "…" stands for every field that starts like it; one that starts with
	// "…" for every field that ends like it.
	Path string
	// What may differ, as in Difference.
	What string
	// Why it is meant.
	Why string
}

const (
	byRule  = "the CRD would refuse alone and without a rule id; the rulebook explains instead"
	ignored = "a matcher of Istio that we do not use; what has no effect is not refused"
	ours    = "an addition of ours, optional"
	shared  = "one matcher type serves every place, so suffix is known in more places than Flagger uses it in"
)

// Exceptions are all differences between the original CRDs and ours. None of them may make anything worse.
var Exceptions = []Exception{
	{"Canary", "spec.provider", "enum", byRule},
	{"Canary", "spec.targetRef.kind", "enum", byRule + " (R22, R66)"},
	{"Canary", "spec.autoscalerRef.kind", "enum", byRule + " (R2, R3)"},
	{"Canary", "spec.analysis", "oneOf", byRule + " (R31)"},
	{"Canary", "spec.analysis.interval", "pattern", byRule + " (R34)"},
	{"AlertProvider", "spec", "oneOf", byRule + " (R68)"},
	{"AlertProvider", "spec.type", "enum", "generic is an addition of ours"},

	{"Canary", "spec.service.match[]…", "oneOf", ignored},
	{"Canary", "spec.service.corsPolicy.allowOrigins[]", "oneOf", ignored},
	{"Canary", "spec.service.trafficPolicy.loadBalancer", "oneOf", ignored},
	{"Canary", "spec.analysis.match[].queryParams.*", "oneOf", ignored},
	{"Canary", "spec.analysis.match[].headers.*", "oneOf", byRule + " (R33)"},

	{"Canary", "….suffix", "extra", shared},
	{"VirtualNode", "spec.listeners[].tls.validation.trust.acm…", "extra",
		"one trust type serves clients and listeners; App Mesh had no acm here, and we report it everywhere"},

	{"Canary", "spec.analysis.gate…", "extra", ours},
	{"Canary", "status.observedGeneration", "extra", ours},
	{"Canary", "status.lastRequest…", "extra", ours},
	{"Canary", "status.rollout…", "extra", ours},
	{"VirtualRouter", "spec.routes[].httpRoute.action.mirror…", "extra", ours},
	{"VirtualRouter", "spec.routes[].httpRoute.action.setCookies…", "extra", ours},
	{"VirtualRouter", "spec.routes[].http2Route.action.mirror…", "extra", ours},
	{"VirtualRouter", "spec.routes[].http2Route.action.setCookies…", "extra", ours},
	{"MetricTemplate", "status…", "extra", ours},
	{"AlertProvider", "status…", "extra", ours},
}

// Covers says that the exception is about the difference. What makes something worse has no excuse.
func (e Exception) Covers(d Difference) bool {
	if d.Worse || e.What != d.What || e.Kind != d.Kind {
		return false
	}
	if prefix, ok := strings.CutSuffix(e.Path, "…"); ok {
		return strings.HasPrefix(d.Path, prefix)
	}
	if suffix, ok := strings.CutPrefix(e.Path, "…"); ok {
		return strings.HasSuffix(d.Path, suffix)
	}
	return e.Path == d.Path
}
