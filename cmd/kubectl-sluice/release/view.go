// Package release takes a Canary and what belongs to it, as the cluster has them, and gives a view of its release: data
// for scripts, or a tree of lines for people. It is pure.
package release

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// Objects are what a view is made of. All but Canary may be missing.
type Objects struct {
	Canary *canaryv1beta1.Canary
	// Target and Primary are the two workloads.
	Target, Primary *unstructured.Unstructured
	// Scaler and PrimaryScaler are their autoscalers.
	Scaler, PrimaryScaler *unstructured.Unstructured
	// Router is the VirtualRouter of the apex.
	Router *unstructured.Unstructured
	// Events are those about the Canary, in any order.
	Events []corev1.Event
	// Whole says that all of these were looked up, so that what is missing does not exist.
	Whole bool
}

// View is a release as data. Its keys are an interface of `kubectl sluice status -o json`.
type View struct {
	Namespace string                    `json:"namespace"`
	Name      string                    `json:"name"`
	Phase     canaryv1beta1.CanaryPhase `json:"phase"`
	// Why says what it waits for.
	Why string `json:"why,omitempty"`
	// Kind of release, in a clause.
	Kind      string                        `json:"kind"`
	Strategy  canaryv1beta1.ReleaseStrategy `json:"strategy"`
	Suspended bool                          `json:"suspended,omitempty"`
	// Step is how many checks have passed, Steps how many there are.
	Step  int `json:"step"`
	Steps int `json:"steps"`
	// Weight is the canary's share of the strategy's requests, in percent.
	Weight   int                          `json:"weight"`
	Weights  *Weights                     `json:"weights,omitempty"`
	Checks   Checks                       `json:"checks"`
	Primary  *Version                     `json:"primary,omitempty"`
	Canary   *Version                     `json:"canary,omitempty"`
	Metrics  []canaryv1beta1.MetricResult `json:"metrics,omitempty"`
	Evidence *Evidence                    `json:"evidence,omitempty"`
	Gates    []Gate                       `json:"gates,omitempty"`
	// Request is the last thing that somebody asked for once, and its answer.
	Request *canaryv1beta1.RequestStatus `json:"request,omitempty"`
	// Problems are the conditions that say that something is not as it should be.
	Problems []Problem `json:"problems,omitempty"`
	// Events are the newest, oldest first.
	Events []Event `json:"events,omitempty"`
	// Changed is when the state last changed.
	Changed metav1.Time `json:"changed,omitzero"`
}

// Weights compare what is asked for with what is in force. All are in percent.
type Weights struct {
	// Asked is what the state wants; Written is what the apex router holds, nil without one.
	Asked   int  `json:"asked"`
	Written *int `json:"written,omitempty"`
	// Mirror is how many requests are copied to the canary.
	Mirror int `json:"mirror,omitempty"`
	// InForceSince is when every caller had what is asked; absent while some have not.
	InForceSince metav1.Time `json:"inForceSince,omitzero"`
}

// Checks are how it is judged.
type Checks struct {
	Every     string      `json:"every"`
	Failed    int         `json:"failed"`
	Threshold int         `json:"threshold"`
	Last      metav1.Time `json:"last,omitzero"`
	Next      metav1.Time `json:"next,omitzero"`
}

// Version is one of the two workloads.
type Version struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Missing  bool     `json:"missing,omitempty"`
	Ready    int32    `json:"ready"`
	Replicas int32    `json:"replicas"`
	Revision string   `json:"revision,omitempty"`
	Images   []string `json:"images,omitempty"`
	Scaler   *Scaler  `json:"autoscaler,omitempty"`
	// counted says that the replicas are known.
	counted bool
}

// Scaler is an autoscaler of one of the two.
type Scaler struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Missing bool   `json:"missing,omitempty"`
	Min     *int32 `json:"min,omitempty"`
	Max     int32  `json:"max,omitempty"`
}

// Evidence is what the continuous judge has seen.
type Evidence struct {
	Verdict     canaryv1beta1.Verdict          `json:"verdict"`
	Message     string                         `json:"message,omitempty"`
	LogEvidence string                         `json:"logEvidence,omitempty"`
	Limit       string                         `json:"limit,omitempty"`
	Metrics     []canaryv1beta1.MetricEvidence `json:"metrics,omitempty"`
}

// Gate is a webhook that can hold the release, or roll it back.
type Gate struct {
	Name string                 `json:"name"`
	Type canaryv1beta1.HookType `json:"type"`
	URL  string                 `json:"url"`
	// Waiting says that the release waits for it now.
	Waiting bool `json:"waiting,omitempty"`
}

// Problem is a condition.
type Problem struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// Event is one sentence of the Canary's event log.
type Event struct {
	Time    metav1.Time `json:"time"`
	Type    string      `json:"type"`
	Reason  string      `json:"reason"`
	Message string      `json:"message"`
	Count   int32       `json:"count,omitempty"`
}

// eventsKept is how many events a view has.
const eventsKept = 20

// Of makes the view.
func Of(o Objects) View {
	c := o.Canary
	standing := canary.StandingOf(c)
	st := c.Status
	v := View{
		Namespace: c.Namespace, Name: c.Name, Phase: st.Phase, Kind: canary.Describe(c), Strategy: canary.StrategyOf(c), Suspended: canary.IsSuspended(c),
		Step: standing.Step, Steps: standing.Steps, Weight: st.CanaryWeight.Int(), Changed: st.LastTransitionTime,
		Checks: Checks{Every: standing.Interval.String(), Failed: st.FailedChecks.Int(), Threshold: standing.Threshold},
		Gates:  gates(c, standing.Gate), Request: st.LastRequest, Problems: problems(st.Conditions), Events: events(o.Events),
	}
	if !standing.NextCheck.IsZero() {
		v.Checks.Next = metav1.NewTime(standing.NextCheck)
	}
	if r := st.Rollout; r != nil {
		v.Why, v.Checks.Last, v.Metrics = r.Why, r.LastCheckTime, r.Metrics
		if e := r.Evidence; e != nil {
			v.Evidence = &Evidence{Verdict: e.Verdict, Message: e.Message, LogEvidence: e.LogEvidence, Limit: e.Limit, Metrics: slices.Clone(e.Metrics)}
			for i := range v.Evidence.Metrics {
				v.Evidence.Metrics[i].State = "" // sums for the next leader, which nobody reads
			}
		}
	}
	if o.Whole {
		v.Primary, v.Canary = versions(o)
		v.Weights = weights(o)
	}
	return v
}

func versions(o Objects) (primary, target *Version) {
	c := o.Canary
	name := c.Spec.TargetRef.Name
	primary, target = version(c, o.Primary, name+"-primary"), version(c, o.Target, name)
	if o.Primary != nil {
		primary.Revision = o.Primary.GetAnnotations()[sluice.AnnotationRevision]
	}
	if r := c.Status.Rollout; r != nil {
		target.Revision = r.Revision
	}
	if kind := canary.ScalerOf(c); kind != nil {
		ref := c.Spec.AutoscalerRef
		primary.Scaler, target.Scaler = scaler(kind, o.PrimaryScaler, ref.Name+"-primary"), scaler(kind, o.Scaler, ref.Name)
	}
	return primary, target
}

func version(c *canaryv1beta1.Canary, u *unstructured.Unstructured, name string) *Version {
	v := &Version{Kind: c.Spec.TargetRef.Kind, Name: name, Missing: u == nil}
	kind := canary.TargetOf(c)
	if u == nil || kind == nil {
		return v
	}
	if w, err := kind.Observe(u.Object, 0); err == nil && !kind.CountsEndpoints() {
		v.Ready, v.Replicas, v.counted = w.Ready, w.Replicas, true
	}
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	for _, container := range containers {
		if fields, ok := container.(map[string]any); ok {
			if image, ok := fields["image"].(string); ok {
				v.Images = append(v.Images, image)
			}
		}
	}
	return v
}

func scaler(kind canary.Scaler, u *unstructured.Unstructured, name string) *Scaler {
	s := &Scaler{Kind: kind.GroupVersionKind().Kind, Name: name, Missing: u == nil}
	if u == nil {
		return s
	}
	if a := kind.Observe(u.Object); a != nil {
		s.Min, s.Max = a.MinReplicas, a.MaxReplicas
	}
	return s
}

// weights is nil where no mesh shares out the requests.
func weights(o Objects) *Weights {
	c := o.Canary
	if c.Spec.Provider == canaryv1beta1.ProviderKubernetes {
		return nil
	}
	w := &Weights{Asked: c.Status.CanaryWeight.Int()}
	if r := c.Status.Rollout; r != nil {
		w.InForceSince = r.StepReachedTime
	}
	if o.Router == nil {
		return w
	}
	router := &appmeshv1beta2.VirtualRouter{}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Router.Object, router) != nil {
		return w
	}
	if written := canary.WeightsOf(c, router); written != nil {
		share := written.Canary
		if canary.StrategyOf(c) == canaryv1beta1.StrategyABTesting {
			share = written.Matched
		}
		w.Written, w.Mirror = &share, written.Mirror
	}
	return w
}

// gateTypes are the webhooks that people decide by.
var gateTypes = []canaryv1beta1.HookType{
	canaryv1beta1.ConfirmRolloutHook, canaryv1beta1.ConfirmTrafficIncreaseHook, canaryv1beta1.ConfirmPromotionHook, canaryv1beta1.RollbackHook,
}

func gates(c *canaryv1beta1.Canary, waiting string) []Gate {
	if c.Spec.Analysis == nil {
		return nil
	}
	var out []Gate
	for _, w := range c.Spec.Analysis.Webhooks {
		if slices.Contains(gateTypes, w.Type) {
			out = append(out, Gate{Name: w.Name, Type: w.Type, URL: w.URL, Waiting: w.Name == waiting && w.Type != canaryv1beta1.RollbackHook})
		}
	}
	return out
}

// problems are all conditions but Promoted, which tells the phase once more: those that are good when they are True only
// while they are not.
func problems(conditions []canaryv1beta1.CanaryCondition) []Problem {
	var out []Problem
	for _, c := range conditions {
		bad := metav1.ConditionTrue
		if slices.Contains(goodConditions, c.Type) {
			bad = metav1.ConditionFalse
		}
		if c.Type != canaryv1beta1.PromotedType && c.Status == bad {
			out = append(out, Problem{string(c.Type), c.Message})
		}
	}
	return out
}

// goodConditions are good when they are True.
var goodConditions = []canaryv1beta1.CanaryConditionType{"Consistent", "Ready", "Reconciled"}

func events(all []corev1.Event) []Event {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b corev1.Event) int {
		// Of one second, the names tell the order: ours end with a number that grows.
		return cmp.Or(cmp.Compare(timeOf(a).Unix(), timeOf(b).Unix()), cmp.Compare(a.Name, b.Name))
	})
	var out []Event
	for _, e := range all[max(0, len(all)-eventsKept):] {
		out = append(out, Event{Time: timeOf(e), Type: e.Type, Reason: e.Reason, Message: strings.TrimSpace(e.Message), Count: e.Count})
	}
	return out
}

func timeOf(e corev1.Event) metav1.Time {
	if e.LastTimestamp.IsZero() {
		return metav1.NewTime(e.EventTime.Time)
	}
	return e.LastTimestamp
}
