package canary

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// PrimarySource is what the primary is made from. All objects are as the API gives them.
type PrimarySource struct {
	// Target is the target Deployment.
	Target map[string]any
	// Template is the pod template that was kept under Revision.
	Template map[string]any
	// Revision is what the primary will run.
	Revision string
	// Current is the primary as it is, nil to create it.
	Current map[string]any
	// MinReplicas is the floor of its replicas, 0 for none.
	MinReplicas int32
}

// copiedFields of a Deployment's spec follow the target at every promotion. The rest of the primary's spec is its own.
var copiedFields = []string{"progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "strategy"}

// PrimaryDeployment builds the primary: the kept pod template under labels of its own. Fields that it does not know
// survive, in the template and in the primary. Neither argument is changed. Owner references are the shell's.
func PrimaryDeployment(c *canaryv1beta1.Canary, pods Pods, src PrimarySource) map[string]any {
	s := settings{c}
	out := src.Current
	if out == nil {
		out = s.newPrimary(pods, src.Target)
	}
	out = runtime.DeepCopyJSON(out)
	meta, spec := child(out, "metadata"), child(out, "spec")
	child(meta, "annotations")[sluice.AnnotationRevision] = src.Revision

	from, _ := src.Target["spec"].(map[string]any)
	for _, f := range copiedFields {
		delete(spec, f)
		if v, ok := from[f]; ok {
			spec[f] = runtime.DeepCopyJSONValue(v)
		}
	}
	if n, ok := s.primaryReplicas(src, from); ok {
		spec["replicas"] = n
	}
	spec["template"] = s.primaryTemplate(pods, src.Template)
	return out
}

func (s settings) newPrimary(pods Pods, target map[string]any) map[string]any {
	from, _ := target["metadata"].(map[string]any)
	labels := copied(from["labels"])
	labels[pods.Label] = pods.primaryValue()
	return map[string]any{
		"apiVersion": "apps/v1",
		"kind":       "Deployment",
		"metadata": map[string]any{
			"name":        s.primaryName(),
			"namespace":   s.Namespace,
			"labels":      labels,
			"annotations": copied(from["annotations"]),
		},
		"spec": map[string]any{
			// One label, so that the primary's pods are never the target's, whatever else both share.
			"selector": map[string]any{"matchLabels": map[string]any{pods.Label: pods.primaryValue()}},
		},
	}
}

// copied takes labels or annotations over, except those that say something about the object that they come from.
func copied(v any) map[string]any {
	out := map[string]any{}
	from, _ := v.(map[string]any)
	for k, e := range from {
		if !strings.Contains(k, "toolkit.fluxcd.io") && k != "kubectl.kubernetes.io/last-applied-configuration" &&
			k != "deployment.kubernetes.io/revision" {
			out[k] = e
		}
	}
	return out
}

// primaryReplicas are the target's: at the creation always, later only without an autoscaler, and never below the
// floor. A target at zero says nothing.
func (s settings) primaryReplicas(src PrimarySource, target map[string]any) (int64, bool) {
	want, ok := number64(target["replicas"])
	if !ok {
		want = 1 // what an absent number means
	}
	if src.Current != nil && (s.Spec.AutoscalerRef != nil || want == 0) {
		return 0, false
	}
	return max(want, int64(src.MinReplicas), 1), true
}

func (s settings) primaryTemplate(pods Pods, template map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(template)
	meta := child(out, "metadata")
	child(meta, "labels")[pods.Label] = pods.primaryValue()
	if spec, ok := out["spec"].(map[string]any); ok {
		s.spread(pods, spec)
	}
	return out
}

// spread makes the rules that keep the target's pods apart keep the primary's apart.
func (s settings) spread(pods Pods, spec map[string]any) {
	anti := dig(spec, "affinity", "podAntiAffinity")
	terms := slices.Clone(items(anti["requiredDuringSchedulingIgnoredDuringExecution"]))
	for _, t := range items(anti["preferredDuringSchedulingIgnoredDuringExecution"]) {
		if m, ok := t.(map[string]any); ok {
			terms = append(terms, m["podAffinityTerm"])
		}
	}
	terms = append(terms, items(spec["topologySpreadConstraints"])...)
	for _, t := range terms {
		if m, ok := t.(map[string]any); ok {
			s.renameSelector(pods, dig(m, "labelSelector"))
		}
	}
}

// renameSelector makes a selector of the target's pods one of the primary's.
func (s settings) renameSelector(pods Pods, selector map[string]any) {
	rename := func(v any) any {
		if v == pods.Value || v == s.Spec.TargetRef.Name {
			return v.(string) + "-primary"
		}
		return v
	}
	if labels, ok := selector["matchLabels"].(map[string]any); ok {
		for k, v := range maps.Clone(labels) {
			labels[k] = rename(v)
		}
	}
	for _, e := range items(selector["matchExpressions"]) {
		if m, ok := e.(map[string]any); ok {
			values := items(m["values"])
			for i := range values {
				values[i] = rename(values[i])
			}
		}
	}
}

// child returns the object under a key, which is made if it is not there.
func child(m map[string]any, key string) map[string]any {
	c, ok := m[key].(map[string]any)
	if !ok {
		c = map[string]any{}
		m[key] = c
	}
	return c
}

// dig follows a path; an empty map when it leads nowhere.
func dig(m map[string]any, path ...string) map[string]any {
	for _, key := range path {
		next, ok := m[key].(map[string]any)
		if !ok {
			return map[string]any{}
		}
		m = next
	}
	return m
}

func items(v any) []any {
	list, _ := v.([]any)
	return list
}

// number64 reads a JSON number, whichever type a decoder gave it.
func number64(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int32:
		return int64(n), true
	case int:
		return int64(n), true
	case float64:
		return int64(n), true
	}
	return 0, false
}
