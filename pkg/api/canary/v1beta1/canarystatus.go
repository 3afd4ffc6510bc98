package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CanaryPhase is where a Canary is in its life.
// +kubebuilder:validation:Enum="";Initializing;Initialized;Waiting;Progressing;WaitingPromotion;Promoting;Finalising;Succeeded;Failed;Terminating;Terminated
type CanaryPhase string

// Phases of a Canary in order of life. An empty phase is a Canary that nobody has looked at yet.
const (
	// CanaryPhaseInitializing creates the primary and its services.
	CanaryPhaseInitializing CanaryPhase = "Initializing"
	// CanaryPhaseInitialized is the primary taking all traffic for the first time.
	CanaryPhaseInitialized CanaryPhase = "Initialized"
	// CanaryPhaseWaiting is a new version that waits for confirm-rollout.
	CanaryPhaseWaiting CanaryPhase = "Waiting"
	// CanaryPhaseProgressing is a new version under analysis.
	CanaryPhaseProgressing CanaryPhase = "Progressing"
	// CanaryPhaseWaitingPromotion is an accepted version that waits for confirm-promotion.
	CanaryPhaseWaitingPromotion CanaryPhase = "WaitingPromotion"
	// CanaryPhasePromoting copies the accepted version to the primary.
	CanaryPhasePromoting CanaryPhase = "Promoting"
	// CanaryPhaseFinalising scales the canary to zero after promotion.
	CanaryPhaseFinalising CanaryPhase = "Finalising"
	// CanaryPhaseSucceeded is the end of a promotion.
	CanaryPhaseSucceeded CanaryPhase = "Succeeded"
	// CanaryPhaseFailed is the end of a rollback.
	CanaryPhaseFailed CanaryPhase = "Failed"
	// CanaryPhaseTerminating is a deleted Canary that gives its target back.
	CanaryPhaseTerminating CanaryPhase = "Terminating"
	// CanaryPhaseTerminated is a deleted Canary whose target is back.
	CanaryPhaseTerminated CanaryPhase = "Terminated"
)

// CanaryConditionType names a condition of a Canary.
type CanaryConditionType string

// PromotedType is Flagger's only condition: True when the newest version is the primary, Unknown on the way,
// False after a rollback. Its reason is the phase.
const PromotedType CanaryConditionType = "Promoted"

// CanaryCondition is one observation about a Canary.
type CanaryCondition struct {
	// Type of the condition.
	Type CanaryConditionType `json:"type"`
	// Status is True, False or Unknown.
	Status metav1.ConditionStatus `json:"status"`
	// LastUpdateTime is when the condition was last written.
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitzero"`
	// LastTransitionTime is when the status last changed.
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitzero"`
	// Reason is one word for programs.
	Reason string `json:"reason"`
	// Message is one sentence for people.
	Message string `json:"message,omitempty"`
}

// CanaryStatus is the observed state of a Canary.
type CanaryStatus struct {
	// Phase is where the Canary is in its life.
	Phase CanaryPhase `json:"phase,omitempty"`
	// FailedChecks of the rollout so far. Written even when it is 0, as Flagger does.
	// +optional
	FailedChecks Number `json:"failedChecks"`
	// CanaryWeight is the share of traffic that the canary is meant to get, in percent.
	// +optional
	CanaryWeight Number `json:"canaryWeight"`
	// Iterations done of a release without weights.
	// +optional
	Iterations Number `json:"iterations"`
	// TrackedConfigs maps configmap/<name> and secret/<name> to a hash of the content that is live on the primary.
	TrackedConfigs map[string]string `json:"trackedConfigs,omitempty"`
	// LastAppliedSpec is the hash of the target's pod template that was last seen.
	LastAppliedSpec string `json:"lastAppliedSpec,omitempty"`
	// LastPromotedSpec is the hash of the pod template that was last promoted.
	LastPromotedSpec string `json:"lastPromotedSpec,omitempty"`
	// LastTransitionTime is when the status last changed.
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitzero"`
	// SessionAffinityCookie is the cookie, name=value, of users who stay on the canary in this rollout.
	SessionAffinityCookie string `json:"sessionAffinityCookie,omitempty"`
	// PrimarySessionAffinityCookie is the cookie of users who stay on the primary until the next step.
	PrimarySessionAffinityCookie string `json:"primarySessionAffinityCookie,omitempty"`
	// PreviousSessionAffinityCookie is the cookie of the last rollout, which is taken from users who still have it.
	PreviousSessionAffinityCookie string `json:"previousSessionAffinityCookie,omitempty"`
	// Conditions of the Canary: Promoted, and ours.
	Conditions []CanaryCondition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation of the Canary that this status is about. It is an addition of Sluice.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// LastRequest is what became of the last request that somebody made by the annotation sluice.dev/request. It is an
	// addition of Sluice.
	LastRequest *RequestStatus `json:"lastRequest,omitempty"`
	// Rollout is what the engine needs to go on after a restart. It is an addition of Sluice.
	Rollout *RolloutStatus `json:"rollout,omitempty"`
}

// CanaryRequest is what people can ask of a Canary.
type CanaryRequest string

// Requests.
const (
	// RequestPromote promotes the version under analysis without the checks and gates that are left.
	RequestPromote CanaryRequest = "promote"
	// RequestAbort rolls it back.
	RequestAbort CanaryRequest = "abort"
	// RequestRetry releases the version that was rolled back once more.
	RequestRetry CanaryRequest = "retry"
)

// RequestOutcome is what became of a request.
type RequestOutcome string

// Outcomes.
const (
	// RequestDone means that it was accepted, or that there was nothing to do.
	RequestDone RequestOutcome = "Done"
	// RequestRefused means that it was not; the message says why.
	RequestRefused RequestOutcome = "Refused"
)

// RequestStatus is a request and its answer. One that cannot be read leaves ask and at as they were.
type RequestStatus struct {
	// Ask is what was asked for.
	Ask CanaryRequest `json:"ask,omitempty"`
	// At is when, by the clock of whoever asked. A request that is not later has been answered.
	At metav1.MicroTime `json:"at,omitzero"`
	// By is who asked, as he says himself.
	By string `json:"by,omitempty"`
	// Outcome is Done or Refused.
	Outcome RequestOutcome `json:"outcome"`
	// Message says why it was refused.
	Message string `json:"message,omitempty"`
}

// RolloutStatus is the progress of the current rollout, or of the last one. It is complete: a new leader goes on
// from it and from nothing else.
type RolloutStatus struct {
	// Revision is the hash of the pod template under analysis, and of the tracked configuration that it reads.
	Revision string `json:"revision,omitempty"`
	// ControllerRevision is the name of the ControllerRevision that keeps that pod template.
	ControllerRevision string `json:"controllerRevision,omitempty"`
	// PromotedControllerRevision is the name of the ControllerRevision that keeps the pod template that users have.
	PromotedControllerRevision string `json:"promotedControllerRevision,omitempty"`
	// Strategy is the kind of release that runs: canary, ab-testing or blue-green, as Flagger's metrics label it. It says
	// whose requests canaryWeight is a share of.
	Strategy ReleaseStrategy `json:"strategy,omitempty"`
	// TrackedConfigs are the hashes of the ConfigMaps and Secrets under analysis, by configmap/<name> and secret/<name>.
	TrackedConfigs map[string]string `json:"trackedConfigs,omitempty"`
	// ConfigsTracked says that revisions are named with the ConfigMaps and Secrets that belong to them.
	ConfigsTracked bool `json:"configsTracked,omitempty"`
	// Step is the index of the current step: how many times the rollout advanced so far.
	Step int32 `json:"step,omitempty"`
	// StepReachedTime is when the step's weight was in force at the callers; absent while it is not.
	StepReachedTime metav1.Time `json:"stepReachedTime,omitzero"`
	// StartedTime is when the rollout began.
	StartedTime metav1.Time `json:"startedTime,omitzero"`
	// MinPrimaryReplicas is the number of replicas below which the primary does not go while the rollout lasts:
	// as many as it had at the start.
	MinPrimaryReplicas int32 `json:"minPrimaryReplicas,omitempty"`
	// Asked is what somebody asked for and is still under way: promote or abort.
	Asked CanaryRequest `json:"asked,omitempty"`
	// PromotionFailed says that the primary did not get ready on the new revision and is given the old one back.
	PromotionFailed bool `json:"promotionFailed,omitempty"`
	// QueuedTime is since when a new revision waits for its turn among the rollouts of other Canaries; absent while none does.
	QueuedTime metav1.Time `json:"queuedTime,omitzero"`
	// LastCheckTime is when the interval judge last looked.
	LastCheckTime metav1.Time `json:"lastCheckTime,omitzero"`
	// NotReadySince is since when the workload that the rollout waits for is not ready: the canary, while promoting
	// the primary; absent while it is.
	NotReadySince metav1.Time `json:"notReadySince,omitzero"`
	// Why says in one sentence what the rollout waits for.
	Why string `json:"why,omitempty"`
	// Metrics are the results of the last check.
	Metrics []MetricResult `json:"metrics,omitempty"`
	// Evidence is what the continuous judge has seen of the rollout; absent where analysis.gate.mode is not Continuous.
	Evidence *EvidenceStatus `json:"evidence,omitempty"`
	// LastAlert names the wait that people were last alerted of, so that they are told of it once.
	LastAlert string `json:"lastAlert,omitempty"`
	// HooksPassed are the names of the pre-rollout webhooks that passed already and are not called again.
	HooksPassed []string `json:"hooksPassed,omitempty"`
}

// ReleaseStrategy is a kind of release.
type ReleaseStrategy string

// Kinds of release.
const (
	// StrategyWeighted gives the canary a growing share of all requests.
	StrategyWeighted ReleaseStrategy = "canary"
	// StrategyABTesting gives it requests that match, and no others.
	StrategyABTesting ReleaseStrategy = "ab-testing"
	// StrategyBlueGreen gives it none until all checks have passed, and then all.
	StrategyBlueGreen ReleaseStrategy = "blue-green"
)

// Verdict is what a judge says about a metric.
type Verdict string

// Verdicts.
const (
	// VerdictPass means that the value is in its range.
	VerdictPass Verdict = "Pass"
	// VerdictFail means that it is not.
	VerdictFail Verdict = "Fail"
	// VerdictInconclusive means that there is too little data to say.
	VerdictInconclusive Verdict = "Inconclusive"
)

// MetricResult is a metric at the last check. Numbers are text, as precise as they are worth reading.
type MetricResult struct {
	// Name of the metric.
	Name string `json:"name"`
	// Value in the metric's own unit; empty without data.
	Value string `json:"value,omitempty"`
	// Min is the smallest value that passes; empty if there is none.
	Min string `json:"min,omitempty"`
	// Max is the largest value that passes; empty if there is none.
	Max string `json:"max,omitempty"`
	// Verdict is Pass, Fail or Inconclusive.
	Verdict Verdict `json:"verdict"`
	// Samples is how many requests the value is made of; 0 where the provider does not tell.
	Samples int64 `json:"samples,omitempty"`
	// Message explains a verdict that is not Pass.
	Message string `json:"message,omitempty"`
}

// EvidenceStatus is what the continuous judge has seen of a rollout. It is written at every step and every verdict, and
// every ten seconds at most in between; a new leader goes on from it. Numbers are text, as precise as they are worth
// reading.
type EvidenceStatus struct {
	// Verdict is Fail when the release is to be rolled back, Pass when every metric is shown to meet its range,
	// else Inconclusive.
	Verdict Verdict `json:"verdict"`
	// Message explains the verdict in one sentence.
	Message string `json:"message,omitempty"`
	// LogEvidence is the natural logarithm of the evidence for a rollback.
	LogEvidence string `json:"logEvidence,omitempty"`
	// Limit is the value of logEvidence that rolls back: the logarithm of one over the false-rollback rate.
	Limit string `json:"limit,omitempty"`
	// Ticks is how many readings of both versions were taken in, about one per second.
	Ticks int64 `json:"ticks,omitempty"`
	// RecordedTime is when this was written.
	RecordedTime metav1.Time `json:"recordedTime,omitzero"`
	// Metrics are the parts of the evidence, one for each metric that is judged.
	Metrics []MetricEvidence `json:"metrics,omitempty"`
}

// MetricEvidence is the part of the evidence that one metric gives.
type MetricEvidence struct {
	// Name of the metric.
	Name string `json:"name"`
	// Verdict is Fail for the metric that tells most of a failure.
	Verdict Verdict `json:"verdict"`
	// Canary and Primary are the requests that each of the two versions had, and how many of them were bad: failed for
	// request-success-rate, slower than the range allows for request-duration.
	Canary EvidenceCounts `json:"canary"`
	// Primary counts from when the rollout began, canary from its first step.
	Primary EvidenceCounts `json:"primary"`
	// LogEvidence is the natural logarithm of the evidence for a rollback that this metric gives.
	LogEvidence string `json:"logEvidence,omitempty"`
	// Dispersion says how many times more bad requests scatter than if they came independently of each other.
	Dispersion string `json:"dispersion,omitempty"`
	// Owed is how many bad requests the canary has to make up for, by good ones, before its next step; empty for none.
	Owed string `json:"owed,omitempty"`
	// State is what a new leader goes on from: the sums that the above follow from.
	State string `json:"state,omitempty"`
}

// EvidenceCounts are requests of one version.
type EvidenceCounts struct {
	// Requests that ended.
	Requests int64 `json:"requests"`
	// Bad requests among them.
	Bad int64 `json:"bad"`
}
