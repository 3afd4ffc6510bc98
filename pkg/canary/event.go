package canary

import "fmt"

// Event is one sentence for the Canary's event log. The texts are an interface: people, dashboards and scripts grep
// for them. The reasons are ours; Flagger gives all of them the reason Synced.
type Event struct {
	// Type is EventNormal or EventWarning.
	Type string
	// Reason is one of the Reason constants.
	Reason string
	// Message is the sentence.
	Message string
}

// The two types of events, as Kubernetes spells them.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)

// Reasons of events. Each says one thing, so that one can be alerted on.
const (
	ReasonInitialized        = "Initialized"
	ReasonSuspended          = "Suspended"
	ReasonNewRevision        = "NewRevision"
	ReasonRestarted          = "AnalysisRestarted"
	ReasonReverted           = "RevisionReverted"
	ReasonAdopted            = "Adopted"
	ReasonStarted            = "AnalysisStarted"
	ReasonHookPassed         = "HookPassed"
	ReasonHookFailed         = "HookFailed"
	ReasonWaitingForApproval = "WaitingForApproval"
	ReasonAdvanced           = "WeightAdvanced"
	ReasonMetricFailed       = "MetricFailed"
	ReasonNoData             = "NoData"
	ReasonUnreachable        = "StatsUnreachable"
	ReasonQueryFailed        = "MetricQueryFailed"
	ReasonRollingBack        = "RollingBack"
	ReasonFailed             = "CanaryFailed"
	ReasonRollbackHeld       = "RollbackHeld"
	ReasonPromoting          = "Promoting"
	ReasonPromotionStep      = "PrimaryWeightAdvanced"
	ReasonRouted             = "RoutedToPrimary"
	ReasonPromotionFailed    = "PromotionFailed"
	ReasonPromoted           = "PromotionCompleted"
	ReasonSkipped            = "AnalysisSkipped"
	ReasonTargetMissing      = "TargetMissing"
	ReasonCanaryNotReady     = "CanaryNotReady"
	ReasonPrimaryNotReady    = "PrimaryNotReady"
	ReasonMeshNotReady       = "MeshNotReady"
	ReasonWeightsRepaired    = "WeightsRepaired"
	ReasonProxiesStale       = "ProxiesStale"
	ReasonBlocked            = "RolloutBlocked"
	ReasonIntervalRaised     = "IntervalRaised"
	ReasonUnsupported        = "Unsupported"
)

func normal(reason, format string, args ...any) Event {
	return Event{Type: EventNormal, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func warning(reason, format string, args ...any) Event {
	return Event{Type: EventWarning, Reason: reason, Message: fmt.Sprintf(format, args...)}
}
