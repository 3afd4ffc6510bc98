package canary

import (
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// difference returns the merge patch that makes live what we want in the fields that are ours, or nil if it is so
// already. Labels and annotations are ours key by key; a spec is ours as ownedSpec says.
func difference(live, want *unstructured.Unstructured) map[string]any {
	patch := map[string]any{}
	if meta := metadataDifference(live, want); len(meta) > 0 {
		patch["metadata"] = meta
	}
	liveSpec, _ := live.Object["spec"].(map[string]any)
	wantSpec, _ := want.Object["spec"].(map[string]any)
	if spec := ownedDifference(liveSpec, wantSpec, ownedFields(want)); len(spec) > 0 {
		patch["spec"] = spec
	}
	if len(patch) == 0 {
		return nil
	}
	return patch
}

// ownedFields are the fields of a spec that are ours.
func ownedFields(want *unstructured.Unstructured) []string {
	kind := want.GroupVersionKind()
	for _, target := range canary.Targets() {
		if target.GroupVersionKind() == kind {
			return target.OwnedFields()
		}
	}
	for _, scaler := range canary.Scalers() {
		if scaler.GroupVersionKind() == kind {
			return scaler.OwnedFields()
		}
	}
	return ownedSpec[kind.GroupKind()]
}

func metadataDifference(live, want *unstructured.Unstructured) map[string]any {
	out := map[string]any{}
	for _, field := range []string{"labels", "annotations"} {
		have, _, _ := unstructured.NestedStringMap(live.Object, "metadata", field)
		need, _, _ := unstructured.NestedStringMap(want.Object, "metadata", field)
		changed := map[string]any{}
		for key, value := range need {
			if got, ok := have[key]; !ok || got != value {
				changed[key] = value
			}
		}
		if len(changed) > 0 {
			out[field] = changed
		}
	}
	return out
}

func ownedDifference(live, want map[string]any, owned []string) map[string]any {
	out := map[string]any{}
	for _, key := range owned {
		if patch, differs := mergePatch(live[key], want[key]); differs {
			out[key] = patch
		}
	}
	return out
}

// mergePatch is RFC 7386 between two values; nil stands for an absent one. Lists are replaced as a whole.
func mergePatch(live, want any) (patch any, differs bool) {
	if isEmpty(live) && isEmpty(want) {
		return nil, false
	}
	liveMap, liveIsMap := live.(map[string]any)
	wantMap, wantIsMap := want.(map[string]any)
	if !liveIsMap || !wantIsMap {
		return want, !reflect.DeepEqual(live, want)
	}
	out := map[string]any{}
	for key, value := range wantMap {
		if inner, innerDiffers := mergePatch(liveMap[key], value); innerDiffers {
			out[key] = inner
		}
	}
	for key, value := range liveMap {
		if _, wanted := wantMap[key]; !wanted && !isEmpty(value) {
			out[key] = nil
		}
	}
	return out, len(out) > 0
}

// isEmpty treats null, {} and [] alike where both sides are: the API server drops some of them and adds others.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
