package canary

import (
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

const (
	// defaultInterval is the time between checks when the spec has none that can be read.
	defaultInterval = 60 * time.Second
	// minInterval is what a shorter interval runs as, unless analysis.gate is set; hooks are never called more often.
	minInterval = 10 * time.Second
	// minGateInterval is what a shorter interval runs as when analysis.gate is set: one poll of the Envoys.
	minGateInterval = time.Second
	// defaultMetricInterval is the span of a metric that names none.
	defaultMetricInterval = time.Minute
	// defaultDeadline is how long a workload may take to become ready.
	defaultDeadline = 600 * time.Second
	// defaultIterations is how many checks a release without a mesh has to pass when the spec does not say.
	defaultIterations = 10
	// lookForScaler is the time between two looks for an autoscaler that does not exist.
	lookForScaler = 30 * time.Second
	// staleAfter is how long a weight waits for proxies that do not acknowledge it.
	staleAfter = 30 * time.Second
)

// settings reads a Canary the way the engine uses it: defaults and floors applied, nothing written back.
type settings struct{ *canaryv1beta1.Canary }

// Apex is the name under which callers reach what a Canary releases.
func Apex(c *canaryv1beta1.Canary) string { return settings{c}.apex() }

// Interval is the time between two checks of a Canary, as it runs: with the default, and not shorter than is possible.
func Interval(c *canaryv1beta1.Canary) time.Duration { return settings{c}.interval() }

func (s settings) apex() string {
	if s.Spec.Service.Name != "" {
		return s.Spec.Service.Name
	}
	return s.Spec.TargetRef.Name
}

func (s settings) primaryService() string { return s.apex() + "-primary" }
func (s settings) canaryService() string  { return s.apex() + "-canary" }
func (s settings) primaryName() string    { return s.Spec.TargetRef.Name + "-primary" }

// full, target and primary are how events name things: with the namespace.
func (s settings) full() string    { return s.Name + "." + s.Namespace }
func (s settings) target() string  { return s.Spec.TargetRef.Name + "." + s.Namespace }
func (s settings) primary() string { return s.primaryName() + "." + s.Namespace }

func (s settings) analysis() canaryv1beta1.CanaryAnalysis {
	if s.Spec.Analysis == nil {
		return canaryv1beta1.CanaryAnalysis{}
	}
	return *s.Spec.Analysis
}

func (s settings) skipAnalysis() bool { return s.Spec.SkipAnalysis || s.Spec.Analysis == nil }

func (s settings) interval() time.Duration {
	d, err := time.ParseDuration(s.analysis().Interval)
	if err != nil {
		return defaultInterval
	}
	return max(d, s.minInterval())
}

func (s settings) minInterval() time.Duration {
	if s.analysis().Gate != nil {
		return minGateInterval
	}
	return minInterval
}

// intervalRaised tells whether the interval of the spec is shorter than what it runs as.
func (s settings) intervalRaised() bool {
	d, err := time.ParseDuration(s.analysis().Interval)
	return err == nil && d < s.minInterval()
}

func (s settings) threshold() int { return max(1, s.analysis().Threshold.IntOr(1)) }

func (s settings) deadline() time.Duration {
	if n := s.Spec.ProgressDeadlineSeconds; n != nil && *n > 0 {
		return time.Duration(float64(*n) * float64(time.Second))
	}
	return defaultDeadline
}

func (s settings) canaryReadyPercent() int {
	return percent(s.analysis().CanaryReadyThreshold)
}

func (s settings) primaryReadyPercent() int {
	return percent(s.analysis().PrimaryReadyThreshold)
}

// percent reads a ready threshold. More than all pods can never be ready, so it counts as all.
func percent(n *canaryv1beta1.Number) int {
	if p := n.IntOr(100); p >= 0 && p <= 100 {
		return p
	}
	return 100
}

// provider is how messages name where the metrics come from.
func (s settings) provider() string {
	if s.Spec.Provider == "" {
		return canaryv1beta1.ProviderAppMeshV1Beta2
	}
	return s.Spec.Provider
}

// isServed tells whether we look after Canaries of this provider.
func (s settings) isServed() bool {
	switch s.provider() {
	case canaryv1beta1.ProviderAppMesh, canaryv1beta1.ProviderAppMeshV1Beta2, canaryv1beta1.ProviderKubernetes:
		return true
	}
	return false
}

// routed tells whether a mesh shares out the requests. Without one they follow the apex Service, which selects the primary.
func (s settings) routed() bool { return Routed(s.Canary) }

// Routed tells whether a mesh shares out the requests of a Canary's releases.
func Routed(c *canaryv1beta1.Canary) bool {
	s := settings{c}
	return s.provider() != canaryv1beta1.ProviderKubernetes
}

// iterations is how many checks the spec asks for without moving weights. Without a mesh there is no other way.
func (s settings) iterations() int {
	n := max(0, s.analysis().Iterations.IntOr(0))
	if n == 0 && !s.routed() {
		return defaultIterations
	}
	return n
}

// holdsOnNoData tells whether a check without data waits instead of failing.
func (s settings) holdsOnNoData() bool {
	g := s.analysis().Gate
	return g != nil && (g.NoData == canaryv1beta1.GateNoDataHold || g.NoData == "" && s.actsContinuously())
}

// metricInterval is the span that a metric asks for.
func metricInterval(m canaryv1beta1.CanaryMetric) time.Duration {
	d, err := time.ParseDuration(m.Interval)
	if err != nil || d <= 0 {
		return defaultMetricInterval
	}
	return d
}

// kindLower is how Flagger writes the target's kind inside a sentence.
func (s settings) kindLower() string { return strings.ToLower(s.Spec.TargetRef.Kind) }

// autoscaled tells whether the target has an autoscaler to look after.
func (s settings) autoscaled() bool { return ScalerOf(s.Canary) != nil }
