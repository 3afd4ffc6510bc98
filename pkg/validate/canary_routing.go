package validate

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// routed tells whether the provider of a Canary routes requests. kubernetes only exchanges pods.
func routed(canary *canaryv1beta1.Canary) bool {
	return canary.Spec.Provider != canaryv1beta1.ProviderKubernetes
}

// canaryMatchCounted is SL032.
func canaryMatchCounted(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || len(a.Match) == 0 || a.Iterations.IntOr(0) > 0 || !routed(c.new) {
		return nil
	}
	return one(analysisPath.Child("match"), Warn,
		"match without iterations shifts weights among the matching requests only, and nobody else ever meets the canary; add iterations, such as 10, for an A/B test, or remove match")
}

// canaryMatchServed is SL033.
func canaryMatchServed(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || len(a.Match) == 0 {
		return nil
	}
	if !routed(c.new) {
		return one(analysisPath.Child("match"), Warn, "provider kubernetes routes no requests, so match does nothing; remove it, or use provider appmesh:v1beta2")
	}
	for i, match := range a.Match {
		if len(match.SourceLabels) > 0 {
			return one(analysisPath.Child("match").Index(i).Child("sourceLabels"), c.world.atStart(),
				"a proxy does not know the labels of its callers, so no release would start; match a header that the callers send instead")
		}
	}
	return nil
}

// canaryAffinityServed is SL053.
func canaryAffinityServed(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || a.SessionAffinity == nil {
		return nil
	}
	path, affinity := analysisPath.Child("sessionAffinity"), a.SessionAffinity
	switch {
	case !routed(c.new):
		return one(path, Warn, "provider kubernetes routes no requests, so nobody is kept on a version; remove sessionAffinity, or use provider appmesh:v1beta2")
	case affinity.PrimaryCookieName != "" && affinity.PrimaryCookieName == affinity.CookieName:
		return one(path.Child("primaryCookieName"), Deny, "both versions would set the cookie %q and take each other's users; give the primary another name, or remove primaryCookieName", affinity.CookieName)
	}
	return nil
}

// canaryMirrorServed is SL054.
func canaryMirrorServed(c change[canaryv1beta1.Canary]) []problem {
	a := judged(c.new)
	if a == nil || !a.Mirror {
		return nil
	}
	switch weight := a.MirrorWeight.IntOr(allTraffic); {
	case !routed(c.new):
		return one(analysisPath.Child("mirror"), Warn, "provider kubernetes routes no requests, so none is copied; remove mirror, or use provider appmesh:v1beta2")
	case weight < 1 || weight > allTraffic:
		return one(analysisPath.Child("mirrorWeight"), Deny, "mirrorWeight %v is no percentage of the requests; write 1 to 100", *a.MirrorWeight)
	}
	return nil
}

// canaryRetriesFit is SL055.
func canaryRetriesFit(c change[canaryv1beta1.Canary]) []problem {
	retries := c.new.Spec.Service.Retries
	if retries == nil || retries.Attempts == nil || *retries.Attempts <= 0 {
		return nil
	}
	path := field.NewPath("spec", "service", "retries")
	var out []problem
	try, err := time.ParseDuration(retries.PerTryTimeout)
	timeout, unlimited := time.ParseDuration(c.new.Spec.Service.Timeout)
	if all := try * time.Duration(*retries.Attempts); err == nil && unlimited == nil && all > timeout {
		out = append(out, problem{path.Child("perTryTimeout"), Warn, sprintf(
			"%d retries of %s may take %s, but the request ends after timeout %s, so the last ones never happen; raise timeout, or lower perTryTimeout or attempts",
			*retries.Attempts, retries.PerTryTimeout, all, c.new.Spec.Service.Timeout)})
	}
	if a := judged(c.new); a != nil && a.Mirror && routed(c.new) {
		out = append(out, problem{path.Child("attempts"), Warn,
			"mirrored requests arrive twice, and each retry once more; keep retries only if the service may be asked the same thing often"})
	}
	return out
}

// canaryPortsThere is SL043.
func canaryPortsThere(c change[canaryv1beta1.Canary]) []problem {
	ref := c.new.Spec.TargetRef
	pods, _, known := c.world.target(c.new.Namespace, ref.Kind, ref.Name)
	if !known {
		return nil
	}
	port, path := c.new.Spec.Service.TargetPort, field.NewPath("spec", "service", "targetPort")
	number := int32(c.new.Spec.Service.Port.Int())
	if port == nil {
		path = field.NewPath("spec", "service", "port")
	} else if port.StrVal == "" && port.IntVal > 0 {
		number = port.IntVal
	}
	var named, numbers []string
	for _, container := range pods.template.Spec.Containers {
		for _, p := range container.Ports {
			if port != nil && port.StrVal != "" && p.Name == port.StrVal || p.ContainerPort == number && (port == nil || port.StrVal == "") {
				return nil
			}
			if p.Name != "" {
				named = append(named, p.Name)
			}
			numbers = append(numbers, sprintf("%d", p.ContainerPort))
		}
	}
	switch {
	case port != nil && port.StrVal != "":
		return one(path, c.world.atStart(), "no container of %s has a port named %q, so nothing would answer; %s", quoted(ref.Kind, ref.Name), port.StrVal, choose("set targetPort to", named, "name the port in the pod template"))
	case len(numbers) > 0:
		return one(path, Warn, "no container of %s declares port %d; %s", quoted(ref.Kind, ref.Name), number, choose("if nothing listens there, set targetPort to", numbers, ""))
	}
	return nil
}

// choose is advice to take one of several, or something else where there is none.
func choose(advice string, from []string, otherwise string) string {
	if len(from) == 0 {
		return otherwise
	}
	slices.Sort(from)
	return advice + " " + strings.Join(slices.Compact(from), " or ")
}
