package v1beta1

// CanaryAnalysis is how a new version is judged and how fast it gets traffic.
type CanaryAnalysis struct {
	// Interval between checks, whole minutes or seconds (30s, 1m); 60s if absent. Less than 10s runs as 10s.
	Interval string `json:"interval,omitempty"`
	// Iterations is the number of checks of a release without weights (blue/green, or A/B with match).
	Iterations *Number `json:"iterations,omitempty"`
	// Threshold is the number of failed checks of a rollout that rolls it back; 1 if absent or not positive.
	Threshold *Number `json:"threshold,omitempty"`
	// MaxWeight is the canary's weight, in percent, from which it is promoted; 100 if absent.
	MaxWeight *Number `json:"maxWeight,omitempty"`
	// StepWeight is what each step adds to the canary's weight, in percent.
	StepWeight *Number `json:"stepWeight,omitempty"`
	// StepWeights are the canary's weights of the steps, in percent, ascending.
	StepWeights []Number `json:"stepWeights,omitempty"`
	// StepWeightPromotion is what each step of the promotion adds to the primary's weight, in percent.
	// Absent or 0 gives the primary all traffic at once.
	StepWeightPromotion *Number `json:"stepWeightPromotion,omitempty"`
	// Mirror copies requests to the canary before it gets any: for one step of weights, or all iterations of blue/green.
	Mirror bool `json:"mirror,omitempty"`
	// MirrorWeight is the share of requests that is copied, in percent; all if absent or not positive.
	MirrorWeight *Number `json:"mirrorWeight,omitempty"`
	// PrimaryReadyThreshold is the share of the primary's pods that must be available, in percent; 100 if absent.
	PrimaryReadyThreshold *Number `json:"primaryReadyThreshold,omitempty"`
	// CanaryReadyThreshold is the share of the canary's pods that must be available, in percent; 100 if absent.
	CanaryReadyThreshold *Number `json:"canaryReadyThreshold,omitempty"`
	// Match says which requests the canary gets in an A/B test.
	Match []AnalysisMatch `json:"match,omitempty"`
	// Metrics that every check judges.
	Metrics []CanaryMetric `json:"metrics,omitempty"`
	// Alerts that are sent about the rollout.
	Alerts []CanaryAlert `json:"alerts,omitempty"`
	// Webhooks that are called on the way.
	Webhooks []CanaryWebhook `json:"webhooks,omitempty"`
	// SessionAffinity keeps users on the version that they saw first, while weights are shifted.
	SessionAffinity *SessionAffinity `json:"sessionAffinity,omitempty"`
	// Gate tunes how samples become a verdict. It is an addition of Sluice: absent means Flagger's rules.
	Gate *AnalysisGate `json:"gate,omitempty"`
}

// AnalysisMatch matches requests of an A/B test: those that have all of its headers and query parameters.
type AnalysisMatch struct {
	// Headers of the request by name.
	Headers map[string]StringMatch `json:"headers,omitempty"`
	// QueryParams of the request by name; only exact values.
	QueryParams map[string]StringMatch `json:"queryParams,omitempty"`
	// SourceLabels are labels of the caller's pods. Proxies do not know them, so a rollout with them does not start.
	SourceLabels map[string]string `json:"sourceLabels,omitempty"`
}

// Built-in metrics.
const (
	// MetricRequestSuccessRate is the share of requests that did not end in a 5xx status, in percent.
	MetricRequestSuccessRate = "request-success-rate"
	// MetricRequestDuration is the 99th percentile of the request duration, in milliseconds.
	MetricRequestDuration = "request-duration"
)

// CanaryMetric is a number that must stay in a range.
type CanaryMetric struct {
	// Name of the metric; a built-in one unless there is a query or a templateRef.
	Name string `json:"name"`
	// Interval is the window that the metric is taken over, whole minutes or seconds; 1m if absent.
	// +kubebuilder:validation:Pattern=`^[0-9]+(m|s)`
	Interval string `json:"interval,omitempty"`
	// Threshold is deprecated: the minimum of request-success-rate, the maximum of every other metric.
	Threshold *Number `json:"threshold,omitempty"`
	// ThresholdRange is the range that the value must stay in.
	ThresholdRange *CanaryThresholdRange `json:"thresholdRange,omitempty"`
	// Query is a Prometheus query.
	Query string `json:"query,omitempty"`
	// TemplateRef points at a MetricTemplate.
	TemplateRef *CrossNamespaceObjectReference `json:"templateRef,omitempty"`
	// TemplateVariables are values for the template's query.
	TemplateVariables map[string]string `json:"templateVariables,omitempty"`
}

// CanaryThresholdRange is a closed range; an absent bound is no bound.
type CanaryThresholdRange struct {
	// Min is the smallest value that passes.
	Min *Number `json:"min,omitempty"`
	// Max is the largest value that passes.
	Max *Number `json:"max,omitempty"`
}

// AlertSeverity is how bad an event must be to be sent.
// +kubebuilder:validation:Enum="";info;warn;error
type AlertSeverity string

// Severities of alerts.
const (
	// SeverityInfo sends everything.
	SeverityInfo AlertSeverity = "info"
	// SeverityWarn sends warnings and errors.
	SeverityWarn AlertSeverity = "warn"
	// SeverityError sends errors only.
	SeverityError AlertSeverity = "error"
)

// CanaryAlert sends messages about the rollout.
type CanaryAlert struct {
	// Name of the alert.
	Name string `json:"name"`
	// Severity from which messages are sent.
	Severity AlertSeverity `json:"severity,omitempty"`
	// ProviderRef points at the AlertProvider.
	ProviderRef CrossNamespaceObjectReference `json:"providerRef"`
}

// HookType says when a webhook is called and what its answer decides.
// +kubebuilder:validation:Enum="";confirm-rollout;pre-rollout;rollout;confirm-promotion;post-rollout;event;rollback;confirm-traffic-increase
type HookType string

// Types of webhook. An empty type is RolloutHook.
const (
	// RolloutHook is called at every check; a refusal is a failed check.
	RolloutHook HookType = "rollout"
	// PreRolloutHook is called before traffic is shifted; a refusal is a failed check.
	PreRolloutHook HookType = "pre-rollout"
	// PostRolloutHook is called after promotion or rollback; its answer decides nothing.
	PostRolloutHook HookType = "post-rollout"
	// ConfirmRolloutHook holds the start of a rollout until it agrees.
	ConfirmRolloutHook HookType = "confirm-rollout"
	// ConfirmPromotionHook holds the promotion until it agrees.
	ConfirmPromotionHook HookType = "confirm-promotion"
	// ConfirmTrafficIncreaseHook holds the next step until it agrees.
	ConfirmTrafficIncreaseHook HookType = "confirm-traffic-increase"
	// EventHook is told every event; its answer decides nothing.
	EventHook HookType = "event"
	// RollbackHook rolls back when it agrees.
	RollbackHook HookType = "rollback"
)

// CanaryWebhook is an HTTP endpoint that is called on the way.
type CanaryWebhook struct {
	// Name of the webhook.
	Name string `json:"name"`
	// Type says when it is called; rollout if empty.
	Type HookType `json:"type,omitempty"`
	// MuteAlert keeps its failures out of the alerts.
	MuteAlert bool `json:"muteAlert,omitempty"`
	// URL to POST to.
	URL string `json:"url"`
	// Timeout of a call, whole minutes or seconds; 10s if absent.
	// +kubebuilder:validation:Pattern=`^[0-9]+(m|s)`
	Timeout string `json:"timeout,omitempty"`
	// Retries is how many times a failed call is repeated; 0 if absent.
	Retries *Number `json:"retries,omitempty"`
	// DisableTLS skips the verification of the endpoint's certificate.
	DisableTLS bool `json:"disableTLS,omitempty"`
	// Metadata is sent with the call.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// SessionAffinity keeps users on the version that they saw first, by a cookie.
type SessionAffinity struct {
	// CookieName is the name of the canary's cookie.
	CookieName string `json:"cookieName"`
	// PrimaryCookieName is the name of a cookie that keeps users on the primary until the next step; none if absent.
	PrimaryCookieName string `json:"primaryCookieName,omitempty"`
	// Domain of the cookie.
	Domain string `json:"domain,omitempty"`
	// HTTPOnly hides the cookie from scripts.
	HTTPOnly bool `json:"httpOnly,omitempty"`
	// MaxAge of the cookie in seconds; 86400 if absent.
	// +kubebuilder:default=86400
	MaxAge *Number `json:"maxAge,omitempty"`
	// Partitioned stores the cookie per top-level site.
	Partitioned bool `json:"partitioned,omitempty"`
	// Path of the cookie.
	Path string `json:"path,omitempty"`
	// SameSite policy of the cookie.
	// +kubebuilder:validation:Enum=Strict;Lax;None
	SameSite string `json:"sameSite,omitempty"`
	// Secure restricts the cookie to HTTPS.
	Secure bool `json:"secure,omitempty"`
}

// GateMode chooses the judge of a rollout.
// +kubebuilder:validation:Enum=Interval;Continuous
type GateMode string

// Modes of the gate.
const (
	// GateModeInterval is Flagger's contract: failed checks are counted, the threshold rolls back. It is the default.
	GateModeInterval GateMode = "Interval"
	// GateModeContinuous rolls back on every sample, as soon as the evidence allows it at falseRollbackRate.
	GateModeContinuous GateMode = "Continuous"
)

// GateNoData says what a check without data counts as.
// +kubebuilder:validation:Enum=Fail;Hold
type GateNoData string

// What a check without data counts as.
const (
	// GateNoDataFail counts it as a failed check, as Flagger does. It is the default.
	GateNoDataFail GateNoData = "Fail"
	// GateNoDataHold waits: neither a step nor a failed check.
	GateNoDataHold GateNoData = "Hold"
)

// AnalysisGate tunes how samples become a verdict.
type AnalysisGate struct {
	// Mode is the judge: Interval (if absent) or Continuous. The continuous judge compares the canary with the primary and
	// with the ranges of request-success-rate and request-duration on every reading of their Envoys, about once a second,
	// and rolls back as soon as the evidence allows it. The checks of every interval then only hold and advance: what they
	// find out of range in these two metrics is no failed check.
	Mode GateMode `json:"mode,omitempty"`
	// FalseRollbackRate is the share of healthy rollouts that the continuous judge may roll back, with a percent
	// sign ("1%"); more than 0% and less than 50%; 1% if absent or not such a number.
	FalseRollbackRate string `json:"falseRollbackRate,omitempty"`
	// NoData is what a check without data counts as: Fail or Hold. Absent means Fail; in mode Continuous, Hold.
	NoData GateNoData `json:"noData,omitempty"`
	// DryRun reports the continuous judge's verdict and does not act on it: the checks decide as in mode Interval.
	DryRun bool `json:"dryRun,omitempty"`
}
