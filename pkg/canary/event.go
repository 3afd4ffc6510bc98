package canary

import "fmt"

// Event is one sentence for the Canary's event log. The texts are an interface: people, dashboards and scripts grep
// for them. The reasons are ours, one per kind of event, so that one can be filtered by; Flagger gives all of them the
// reason Synced.
type Event struct {
	// Type is EventNormal or EventWarning.
	Type string
	// Reason is one of the Reason constants.
	Reason string
	// Message is the sentence.
	Message string
	// Alert is what those hear of it who do not follow the event log; nil for most events.
	Alert *Alert
}

// The two types of events, as Kubernetes spells them.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)

// Reasons of events, in order of life. Each says one thing, so that one can be alerted on.
const (
	// ReasonInitialized is the primary taking all traffic for the first time.
	ReasonInitialized = "Initialized"
	// ReasonAdopted is an idle Canary of Flagger's that we took over.
	ReasonAdopted = "Adopted"
	// ReasonFlaggerActive is a Flagger that is still there, and to which the Canary is left.
	ReasonFlaggerActive = "FlaggerActive"
	// ReasonTargetMissing is a targetRef that leads nowhere.
	ReasonTargetMissing = "TargetMissing"
	// ReasonUnsupported is something in the spec that is accepted and not honoured.
	ReasonUnsupported = "Unsupported"
	// ReasonSuspended is spec.suspend, or somebody who paused the Canary.
	ReasonSuspended = "Suspended"
	// ReasonRequested is something that somebody asked for once, ReasonRequestRefused something that could not be granted.
	ReasonRequested      = "Requested"
	ReasonRequestRefused = "RequestRefused"

	// ReasonNewRevision is the start of a rollout.
	ReasonNewRevision = "NewRevision"
	// ReasonQueued is a rollout that waits until fewer of others run.
	ReasonQueued = "RolloutQueued"
	// ReasonBlocked is a rollout that must not start, or not go on, because of its spec or what the spec refers to.
	ReasonBlocked = "RolloutBlocked"
	// ReasonKubernetes is what the provider kubernetes cannot do and makes do without.
	ReasonKubernetes = "NotOnKubernetes"
	// ReasonIntervalRaised is an interval that is too short to be honoured.
	ReasonIntervalRaised = "IntervalRaised"
	// ReasonWaitingForApproval is a webhook that does not agree yet.
	ReasonWaitingForApproval = "WaitingForApproval"
	// ReasonRestarted is a newer revision, or another strategy, in the middle of a rollout.
	ReasonRestarted = "AnalysisRestarted"
	// ReasonReverted is a target that went back to the promoted revision in the middle of a rollout.
	ReasonReverted = "RevisionReverted"

	// ReasonStarted is a check before the canary has traffic.
	ReasonStarted = "AnalysisStarted"
	// ReasonAdvanced is a step, ReasonIterated a check that passed and leaves the weight as it is.
	ReasonAdvanced = "WeightAdvanced"
	ReasonIterated = "IterationAdvanced"
	// ReasonMirrored is the canary getting copies of requests.
	ReasonMirrored = "TrafficMirrored"
	// ReasonHookPassed and ReasonHookFailed are answers of webhooks.
	ReasonHookPassed = "HookPassed"
	ReasonHookFailed = "HookFailed"
	// ReasonMetricFailed is a metric out of its range.
	ReasonMetricFailed = "MetricFailed"
	// ReasonNoData is a metric without a value.
	ReasonNoData = "NoData"
	// ReasonQueryFailed is a metric whose provider did not answer.
	ReasonQueryFailed = "MetricQueryFailed"
	// ReasonUnreachable is a metric that misses pods whose Envoy cannot be polled.
	ReasonUnreachable = "StatsUnreachable"
	// ReasonCanaryNotReady and ReasonPrimaryNotReady are workloads that are waited for.
	ReasonCanaryNotReady  = "CanaryNotReady"
	ReasonPrimaryNotReady = "PrimaryNotReady"
	// ReasonMeshNotReady is a step that has to wait for mesh objects or proxies.
	ReasonMeshNotReady = "MeshNotReady"
	// ReasonTargetHeld is an autoscaler that wakes an idle target.
	ReasonTargetHeld = "TargetHeldAtZero"
	// ReasonProxiesStale is a weight that counts as reached without some proxies.
	ReasonProxiesStale = "ProxiesStale"
	// ReasonWeightsRepaired is a router that somebody else wrote to.
	ReasonWeightsRepaired = "WeightsRepaired"

	// ReasonWatchingPrimary is a first step that waits until the continuous judge knows the primary.
	ReasonWatchingPrimary = "WatchingPrimary"
	// ReasonOwing is a step that waits until good requests make up for bad ones.
	ReasonOwing = "MakingUp"
	// ReasonWouldRollBack is a verdict of the continuous judge in a dry run.
	ReasonWouldRollBack = "WouldRollBack"

	// ReasonRollingBack says what for, ReasonFailed that it happened.
	ReasonRollingBack = "RollingBack"
	ReasonFailed      = "CanaryFailed"
	// ReasonRollbackHeld is a rollback that waits for a primary with a ready pod.
	ReasonRollbackHeld = "RollbackHeld"

	// ReasonPromoting is the primary taking the judged template.
	ReasonPromoting = "Promoting"
	// ReasonPromotionStep is traffic going back to the primary in steps, ReasonRouted all of it.
	ReasonPromotionStep = "PrimaryWeightAdvanced"
	ReasonRouted        = "RoutedToPrimary"
	// ReasonPromotionFailed is a primary that did not get ready on the judged template.
	ReasonPromotionFailed = "PromotionFailed"
	// ReasonPromoted is the end of a promotion, ReasonSkipped of one without analysis.
	ReasonPromoted = "PromotionCompleted"
	ReasonSkipped  = "AnalysisSkipped"
)

// Reasons of a deletion that hands over to the target.
const (
	// ReasonTerminating is its beginning, ReasonTerminated its end.
	ReasonTerminating = "Terminating"
	ReasonTerminated  = "Terminated"
)

func normal(reason, format string, args ...any) Event {
	return Event{Type: EventNormal, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func warning(reason, format string, args ...any) Event {
	return Event{Type: EventWarning, Reason: reason, Message: fmt.Sprintf(format, args...)}
}
