package canary

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Target is a kind of workload that a Canary can release. The set is closed, and what differs between the kinds is in
// the methods: nothing else asks which kind it is. Objects are as the API gives them, and never changed.
type Target interface {
	// GroupVersionKind is that of the target and of its primary.
	GroupVersionKind() schema.GroupVersionKind
	// Content is what a revision of the target is: its pod template, or what stands for it. What we write into the
	// target ourselves is not part of it.
	Content(object map[string]any) map[string]any
	// Pods is what the builders need to know of the target's pods.
	Pods(object map[string]any, selectorLabels []string) (Pods, error)
	// Selector selects the pods of the target.
	Selector(object map[string]any) (*metav1.LabelSelector, error)
	// OwnsPod tells whether a pod belongs to a workload of this kind, by their names.
	OwnsPod(workload, pod string) bool
	// CountsEndpoints says that Observe needs the ready endpoints behind the object.
	CountsEndpoints() bool
	// Observe says what Next wants to know, except the revision.
	Observe(object map[string]any, readyEndpoints int32) (*Workload, error)
	// Primary builds the primary.
	Primary(c *canaryv1beta1.Canary, pods Pods, src PrimarySource) map[string]any
	// OwnedFields are the fields of the primary's spec that are ours.
	OwnedFields() []string
	// Autoscaled tells whether an autoscaler can scale it.
	Autoscaled() bool
	// Scale is the merge patch that makes the fact true; nil when there is nothing to write.
	Scale(object map[string]any, want TargetScale) map[string]any

	// notReady says why a workload is not ready, in Flagger's words; empty when it is. percent is the share of the
	// updated pods that must be available.
	notReady(w *Workload, percent int) string
	// unserved says why a Canary with such a target must be left alone; empty when it can be served.
	unserved(s settings) string
}

// Targets are all kinds that can be released.
func Targets() []Target {
	return []Target{deploymentTarget{}, daemonSetTarget{}, serviceTarget{}}
}

// TargetOf is the kind of a Canary's target; nil for one that nobody can release.
func TargetOf(c *canaryv1beta1.Canary) Target {
	for _, t := range Targets() {
		if t.GroupVersionKind().Kind == c.Spec.TargetRef.Kind {
			return t
		}
	}
	return nil
}

// kind is the kind of the target. Canaries of an unknown kind are not served, so it is never nil where it is asked for.
func (s settings) kind() Target { return TargetOf(s.Canary) }

// podTemplate is the content of kinds that have one.
func podTemplate(object map[string]any) map[string]any { return dig(object, "spec", "template") }

// templated is what the kinds have in common that run pods by a template.
type templated struct{}

// Pods reads the selector and the pod template of a workload: just the parts that the builders look at.
func (t templated) Pods(object map[string]any, selectorLabels []string) (Pods, error) {
	selector, err := t.Selector(object)
	if err != nil {
		return Pods{}, err
	}
	var spec corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(dig(podTemplate(object), "spec"), &spec); err != nil {
		return Pods{}, fmt.Errorf("decode the pod template: %w", err)
	}
	return PodsOf(selectorLabels, selector.MatchLabels, spec)
}

func (templated) Selector(object map[string]any) (*metav1.LabelSelector, error) {
	var selector metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(dig(object, "spec", "selector"), &selector); err != nil {
		return nil, fmt.Errorf("decode the selector: %w", err)
	}
	return &selector, nil
}

func (templated) CountsEndpoints() bool { return false }

// ownsPod recognises a pod by its name: that of the workload and as many suffixes as its controllers append, none of
// which holds a dash.
func ownsPod(workload, pod string, suffixes int) bool {
	rest, ok := strings.CutPrefix(pod, workload+"-")
	return ok && strings.Count(rest, "-") == suffixes-1
}
