package canary

import (
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// Observation is everything that varies: what the shell saw just before it asks Next. Nothing in it is remembered.
type Observation struct {
	// Now is the shell's clock. Next never reads another.
	Now time.Time

	// Target is the workload of spec.targetRef, nil when there is none.
	Target *Workload
	// Primary is its copy that serves users, nil when there is none.
	Primary *Workload

	// Autoscaler is the object of spec.autoscalerRef, nil when none is referenced or it was not found.
	Autoscaler *Autoscaler
	// AutoscalerMissing says that spec.autoscalerRef names an object that was not found.
	AutoscalerMissing bool

	// Weights is what the apex VirtualRouter holds now, nil while there is no router. Next compares, it never follows.
	Weights *Weights
	// WeightsPending names the callers' pods whose Envoy has not acknowledged the router's newest generation.
	// Empty means that every caller has, or that there is none.
	WeightsPending []string

	// MeshReady says that what the facts MeshObjects and VersionServices ask for is there and as desired.
	MeshReady bool
	// Missing names the generated objects of those two facts that are not there or not as desired.
	Missing []string
	// Foreign are sentences about objects that have the name of a generated one and belong to somebody else. Nothing
	// is ever written to them.
	Foreign []string
	// ApexReady says that the apex Service selects the primary's pods and has a ready endpoint.
	ApexReady bool
	// ApexOnTarget says that it selects the target's pods and has a ready endpoint: so it was before the Canary came, and
	// so it is again before it goes.
	ApexOnTarget bool

	// Inherited is the Revision of InheritedContent, and InheritedSame whether the target holds the same; both only while
	// the status names revisions as Flagger does.
	Inherited     string
	InheritedSame bool
	// FlaggerConfigs are the hashes that Flagger has for the target's ConfigMaps and Secrets: it does not know binaryData.
	FlaggerConfigs map[string]string
	// FlaggerLease is the Lease of a Flagger that may still be there.
	FlaggerLease FlaggerLease

	// Turn is the Canary's place among those that want to roll out.
	Turn Turn

	// Blockers are the rulebook's errors for this Canary and its world: sentences, each with its rule id.
	// They keep a rollout from starting; they never hold one that runs.
	Blockers []string

	// Consistency is what the rulebook says of the Canary and of what it depends on; nil as long as nobody has looked.
	Consistency *Consistency

	// Metrics holds the measurement of each metric of the analysis: those that the Envoys answer for (FromEnvoy) by name,
	// over the span that MetricWindow names, and those that were asked for (Plan.Ask) by Question.Key. One of the former
	// without an entry has no data, one of the latter is asked for.
	Metrics map[string]Measurement
	// Evidence is what the continuous judge has been shown of this rollout up to now, nil where nobody reads both versions.
	Evidence *gate.Evidence
	// MeasuringSince is when this process began to watch the pods. A check waits until one interval was watched, so
	// that a restarted process does not mistake its own blindness for missing traffic. Zero: long enough ago.
	MeasuringSince time.Time

	// Hooks holds the answers to the questions that were asked, by Question.Key. Answers to an older check are ignored.
	Hooks map[string]HookAnswer

	// TrackedConfigs are the hashes of the target's ConfigMaps and Secrets now ("configmap/<name>", "secret/<name>").
	// Nil means that they are not tracked.
	TrackedConfigs map[string]string
	// CopiedConfigs are the hashes of the primary's copies now, by the keys of their sources.
	CopiedConfigs map[string]string
	// ConfigsMissing are sentences about ConfigMaps and Secrets that the target's pods need and that do not exist.
	ConfigsMissing []string
}

// Workload is what Next knows of a target or a primary.
type Workload struct {
	// Name is the object's name.
	Name string
	// Generation and ObservedGeneration tell whether its controller has seen the newest spec.
	Generation, ObservedGeneration int64
	// Replicas is how many pods are wanted: spec.replicas of a Deployment (1 when unset), the nodes of a DaemonSet.
	Replicas int32
	// Total, Updated, Ready and AvailableReplicas are the counts of the status.
	Total, Updated, Ready, AvailableReplicas int32
	// Revision is the target's Revision(content). For the primary, whose template is rewritten, it is the
	// revision that it was copied from: its annotation sluice.dev/revision.
	Revision string
	// Progressing and Available are the conditions of these types.
	Progressing, Available Condition
	// DeadlineExceeded says that Progressing has the reason ProgressDeadlineExceeded.
	DeadlineExceeded bool
	// Recreates says that its controller stops all pods before it starts new ones when the template changes.
	Recreates bool
	// WontRoll says why its controller does not replace pods when the template changes; empty when it does.
	WontRoll string
}

// Condition is the state of one condition of a Workload; the zero value means that it has none.
type Condition struct {
	// Status is True, False or Unknown.
	Status string
	// Reason is its machine-readable reason.
	Reason string
	// Since is when Status last changed, Updated when anything of it last changed.
	Since, Updated time.Time
}

// Autoscaler is what Next knows of the object of spec.autoscalerRef.
type Autoscaler struct {
	// Kind is HorizontalPodAutoscaler or ScaledObject.
	Kind string
	// Name is the object's name.
	Name string
	// MinReplicas is its lower bound, nil when unset.
	MinReplicas *int32
	// MaxReplicas is its upper bound.
	MaxReplicas int32
	// WakesTarget says that it scales its target up from zero by itself.
	WakesTarget bool
}

// Measurement is the value of one metric over its span, or the reason why there is none.
type Measurement struct {
	// Value is in percent for request-success-rate, in milliseconds for request-duration, else as the query gave it.
	Value float64
	// Samples is how many requests Value is made of, 0 where the provider does not tell.
	Samples int64
	// Unreached is how many of the failures only callers saw.
	Unreached int64
	// NoData says that nothing was counted: no request in the span.
	NoData bool
	// Err says why whoever was asked gave no answer; empty when there was one.
	Err string
	// Unasked is why nobody could be asked, as a whole sentence: no such template, no such Secret.
	Unasked string
	// Unreachable names pods that could not be polled. A passing value that misses pods is inconclusive.
	Unreachable []string
}

// HookAnswer is what a hook said.
type HookAnswer struct {
	// CheckID is that of the question.
	CheckID string
	// Err is what went wrong; empty means that the hook passed.
	Err string
}

// Question is a hook to call, or a metric to ask a provider for, before the next decision. The shell answers in
// Observation.Hooks[Key] or Observation.Metrics[Key]. It may be asked again: same CheckID, same question.
type Question struct {
	// Key is where the answer goes: the name of the hook or the metric, made unique where two share one.
	Key string
	// Hook is the hook to call; its zero value when Metric is set.
	Hook canaryv1beta1.CanaryWebhook
	// Metric is the metric to ask for, nil for a hook.
	Metric *canaryv1beta1.CanaryMetric
	// Phase is the phase that the hook is told.
	Phase string
	// CheckID names the check that asks.
	CheckID string
}

// Plan is what follows from an observation.
type Plan struct {
	// Status is the new state. The shell writes it first: record, then act.
	Status canaryv1beta1.CanaryStatus
	// Facts follow from the spec and the new state, in the order in which they must be made true.
	// Replaying them is harmless; a fact that fails keeps the later ones from being tried.
	Facts []Fact
	// Events are emitted once the status is written.
	Events []Event
	// Ask lists the questions to answer, in order, before Next is called again. Empty: nothing to ask.
	Ask []Question
	// After is when to call Next again at the latest; 0 means only when something changes.
	After time.Duration
	// Why says in one sentence what the Canary waits for.
	Why string
}

// Span is a stretch of time.
type Span struct {
	// From and To are its ends.
	From, To time.Time
}
