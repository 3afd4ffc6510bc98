package canary

import (
	"context"
	"errors"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// errForeign marks a fact that cannot be made true because somebody else has an object of that name.
var errForeign = errors.New("the name is taken")

// makeTrue makes the facts of a plan true, in their order; the first that fails keeps the later ones from being tried.
func (s *shell) makeTrue(ctx context.Context, v *view, facts []canary.Fact) error {
	for _, fact := range facts {
		if weights, ok := fact.(canary.Weights); ok {
			v.newWeights = weights
		}
	}
	for _, fact := range facts {
		if err := s.makeOneTrue(ctx, v, fact); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) makeOneTrue(ctx context.Context, v *view, fact canary.Fact) error {
	switch fact := fact.(type) {
	case canary.KeepRevision:
		return s.keepRevision(ctx, v, fact)
	case canary.MeshObjects:
		return s.ensureMeshObjects(ctx, v)
	case canary.VersionServices:
		sides, _, err := v.services()
		return s.ensureAll(ctx, v, sides, err)
	case canary.ApexService:
		return s.ensureApex(ctx, v, fact)
	case canary.Held:
		return s.hold(ctx, v, fact)
	case canary.PrimaryReleased:
		return s.releasePrimary(ctx, v)
	case canary.PrimaryWorkload:
		return s.ensurePrimary(ctx, v, fact)
	case canary.TrackedConfigs:
		return s.ensureConfigs(ctx, v, fact)
	case canary.TargetScaler:
		return s.ensureTargetScaler(ctx, v, fact)
	case canary.PrimaryScaler:
		return s.ensurePrimaryScaler(ctx, v, fact)
	case canary.Weights:
		return s.ensureWeights(ctx, v, fact)
	case canary.TargetScale:
		return s.scaleTarget(ctx, v, fact)
	}
	return fmt.Errorf("unknown fact %T", fact)
}

// ensureMeshObjects leaves the weights of the apex router as they are at this moment: another fact has just written them,
// or is about to, in its own place in the order. Only a new router gets the plan's weights at once.
func (s *shell) ensureMeshObjects(ctx context.Context, v *view) error {
	router, err := s.store.get(ctx, v.in(kindVirtualRouter, v.apex()))
	if err != nil {
		return err
	}
	weights := v.newWeights
	if live := weightsOf(v.canary, router); live != nil {
		weights = *live
	}
	objects, err := v.meshObjects(weights)
	return s.ensureAll(ctx, v, objects, err)
}

func (s *shell) ensureAll(ctx context.Context, v *view, objects []*unstructured.Unstructured, err error) error {
	if err == nil {
		err = v.podsErr
	}
	for _, want := range objects {
		if err == nil {
			err = s.ensure(ctx, v, want)
		}
	}
	return err
}

// ensure makes an object of ours be there and be as wanted. It writes only what differs, and never to an object that
// the Canary does not own.
func (s *shell) ensure(ctx context.Context, v *view, want *unstructured.Unstructured) error {
	live, err := s.store.get(ctx, objectOf(want))
	if err != nil {
		return err
	}
	if live != nil && !v.isOurs(live) {
		return fmt.Errorf("%w: %s", errForeign, foreign(objectOf(want), live))
	}
	return s.write(ctx, v, live, want)
}

func (s *shell) write(ctx context.Context, v *view, live, want *unstructured.Unstructured) error {
	o := objectOf(want)
	if live == nil {
		_, err := s.store.create(ctx, owned(want, v))
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("%w: %s %s exists already, and was not made for this Canary", errForeign, o.Kind, o.Name)
		}
		return err
	}
	patch := difference(live, completed(want, live))
	if v.isOurs(live) {
		if owners := v.ownersPatch(live); owners != nil {
			patch = withOwners(patch, owners)
		}
	}
	if patch == nil {
		return nil
	}
	_, err := s.store.patch(ctx, o, patch)
	return err
}

func withOwners(patch map[string]any, owners []any) map[string]any {
	if patch == nil {
		patch = map[string]any{}
	}
	meta, ok := patch["metadata"].(map[string]any)
	if !ok {
		meta = map[string]any{}
		patch["metadata"] = meta
	}
	meta["ownerReferences"] = owners
	return patch
}

// completed adds to a Service what the API server filled in where we said nothing, so that it is no difference.
func completed(want, live *unstructured.Unstructured) *unstructured.Unstructured {
	if want.GroupVersionKind() != kindService {
		return want
	}
	wantPorts, _, _ := unstructured.NestedSlice(want.Object, "spec", "ports")
	livePorts, _, _ := unstructured.NestedSlice(live.Object, "spec", "ports")
	if len(wantPorts) == 0 {
		return want
	}
	byName := map[any]map[string]any{}
	for _, p := range livePorts {
		if port, ok := p.(map[string]any); ok {
			byName[port["name"]] = port
		}
	}
	for i, p := range wantPorts {
		port, _ := p.(map[string]any)
		full := maps.Clone(byName[port["name"]])
		if full == nil {
			continue
		}
		maps.Copy(full, port)
		wantPorts[i] = full
	}
	want = want.DeepCopy()
	_ = unstructured.SetNestedSlice(want.Object, wantPorts, "spec", "ports") // only fails on what it was just read from
	return want
}

// ensureApex points the apex Service at the primary. A Service that was there before the Canary is adopted, as Flagger
// does: it is the one that callers know. Only its selector and ports change; it keeps its owner and its metadata.
func (s *shell) ensureApex(ctx context.Context, v *view, fact canary.ApexService) error {
	if v.podsErr != nil {
		return v.podsErr
	}
	_, want, err := v.services()
	if err != nil || want == nil {
		return err
	}
	live, err := s.store.get(ctx, objectOf(want))
	if err != nil {
		return err
	}
	if fact.Target {
		want = want.DeepCopy()
		if err := unstructured.SetNestedStringMap(want.Object, canary.TargetSelector(v.pods), "spec", "selector"); err != nil {
			return fmt.Errorf("point Service %s at the target: %w", v.apex(), err)
		}
	}
	if live != nil && metav1.GetControllerOf(live) == nil && !v.isOurs(live) {
		want = want.DeepCopy()
		want.SetLabels(nil)
		want.SetAnnotations(nil)
		return s.write(ctx, v, live, want)
	}
	return s.ensure(ctx, v, want)
}

// ensureWeights writes the weights into the apex router and touches nothing else of it.
func (s *shell) ensureWeights(ctx context.Context, v *view, w canary.Weights) error {
	want, err := wanted(kindVirtualRouter, canary.ApexRouter(v.canary, v.pods, w))
	if err != nil {
		return err
	}
	return s.ensure(ctx, v, want)
}

func (s *shell) scaleTarget(ctx context.Context, v *view, fact canary.TargetScale) error {
	if v.target == nil {
		return nil
	}
	patch := v.kind.Scale(v.target.Object, fact)
	if patch == nil {
		return nil
	}
	_, err := s.store.patch(ctx, v.workload(v.targetName()), patch)
	return err
}
