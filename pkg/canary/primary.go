package canary

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// PrimarySource is what the primary is made from. All objects are as the API gives them.
type PrimarySource struct {
	// Target is the target.
	Target map[string]any
	// Template is the content (Target.Content) that was kept under Revision.
	Template map[string]any
	// Revision is what the primary will run.
	Revision string
	// Current is the primary as it is, nil to create it.
	Current map[string]any
	// MinReplicas is the floor of its replicas, 0 for none.
	MinReplicas int32
	// Configs maps the keys of the ConfigMaps and Secrets that belong to the revision to the names of the primary's copies.
	Configs map[string]string
	// LabelPrefixes are the prefixes of the target's own labels that a new primary gets too; none means all of them.
	LabelPrefixes []string
}

// primaryObject is what the primaries of all kinds with a pod template have in common: the kept pod template under labels
// of its own. Fields that it does not know survive, in the template and in the primary. Owner references are the shell's.
// follow are the fields of the target's spec that the primary's follow at all times.
func (s settings) primaryObject(t Target, pods Pods, src PrimarySource, follow []string) map[string]any {
	out := src.Current
	if out == nil {
		out = s.newPrimary(t, pods, src)
	}
	out = runtime.DeepCopyJSON(out)
	meta, spec := child(out, "metadata"), child(out, "spec")
	child(meta, "annotations")[annotationRevision] = src.Revision

	from := dig(src.Target, "spec")
	for _, f := range follow {
		delete(spec, f)
		if v, ok := from[f]; ok {
			spec[f] = runtime.DeepCopyJSONValue(v)
		}
	}
	spec["template"] = s.primaryTemplate(pods, src)
	return out
}

// annotationRevision on the primary names the revision that it runs.
const annotationRevision = sluice.AnnotationRevision

func (s settings) newPrimary(t Target, pods Pods, src PrimarySource) map[string]any {
	from := dig(src.Target, "metadata")
	labels := prefixed(copied(from["labels"]), src.LabelPrefixes)
	labels[pods.Label] = pods.primaryValue()
	apiVersion, kind := t.GroupVersionKind().ToAPIVersionAndKind()
	return map[string]any{
		"apiVersion": apiVersion,
		"kind":       kind,
		"metadata": map[string]any{
			"name":        s.primaryName(),
			"namespace":   s.Namespace,
			"labels":      labels,
			"annotations": copied(from["annotations"]),
		},
		// One label of them differs, so that the primary's pods are never the target's; the others tell both from the
		// pods of workloads that share that one.
		"spec": map[string]any{"selector": map[string]any{"matchLabels": anyMap(pods.selector(pods.primaryValue()))}},
	}
}

// prefixed keeps the labels that begin with one of the prefixes. No prefix, an empty one and * keep all of them.
func prefixed(labels map[string]any, prefixes []string) map[string]any {
	if len(prefixes) == 0 {
		return labels
	}
	maps.DeleteFunc(labels, func(key string, _ any) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return p == "*" || strings.HasPrefix(key, p) })
	})
	return labels
}

// copied takes labels or annotations over, except those that say something about the object that they come from.
func copied(v any) map[string]any {
	out := map[string]any{}
	from, _ := v.(map[string]any)
	for k, e := range from {
		if !strings.Contains(k, "toolkit.fluxcd.io") && k != "kubectl.kubernetes.io/last-applied-configuration" &&
			k != "deployment.kubernetes.io/revision" && k != "deprecated.daemonset.template.generation" &&
			!strings.HasPrefix(k, "scaledobject.keda.sh/") {
			out[k] = e
		}
	}
	return out
}

func (s settings) primaryTemplate(pods Pods, src PrimarySource) map[string]any {
	out := runtime.DeepCopyJSON(src.Template)
	redirectConfigs(out, src.Configs)
	meta := child(out, "metadata")
	child(meta, "labels")[pods.Label] = pods.primaryValue()
	if len(src.Configs) > 0 {
		// Pods read their environment when they start, so a release of configuration alone has to make them anew.
		child(meta, "annotations")[annotationRevision] = src.Revision
	}
	if spec, ok := out["spec"].(map[string]any); ok {
		s.spread(pods, spec)
	}
	return out
}

// eachSpreadSelector visits the selectors of the rules that keep pods apart.
func eachSpreadSelector(spec map[string]any, visit func(selector map[string]any)) {
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
			visit(dig(m, "labelSelector"))
		}
	}
}

// spread makes the rules that keep the target's pods apart keep the primary's apart.
func (s settings) spread(pods Pods, spec map[string]any) {
	eachSpreadSelector(spec, func(selector map[string]any) {
		renameValues(selector, func(v any) any {
			if v == pods.Value || v == s.Spec.TargetRef.Name {
				return v.(string) + "-primary"
			}
			return v
		})
	})
}

// renameValues renames the values that a selector wants.
func renameValues(selector map[string]any, rename func(any) any) {
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
