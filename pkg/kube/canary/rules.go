package canary

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// seeRules asks the rulebook, so that what slipped past admission never starts.
func (s *shell) seeRules(ctx context.Context, v *view) error {
	if !canary.MayStart(v.canary) {
		return nil
	}
	index := validate.NewIndex()
	canaries, err := s.list(ctx, v, kindCanary)
	if err != nil {
		return err
	}
	for i := range canaries {
		// One that does not decode is reported when its own turn comes.
		if other, err := s.decoded.canaries.of(&canaries[i]); err == nil {
			index.Set(kindCanary.Kind, other)
		}
	}
	scalers, err := s.list(ctx, v, kindHPA)
	if err != nil {
		return err
	}
	for i := range scalers {
		if hpa, err := s.decoded.scalers.of(&scalers[i]); err == nil {
			index.Set(kindHPA.Kind, hpa)
		}
	}
	world := validate.World{At: validate.RolloutStart, Cluster: index}
	v.obs.Blockers = append(v.obs.Blockers, validate.Denied(validate.Canary(nil, v.canary, world))...)
	v.obs.Blockers = append(v.obs.Blockers, s.unaskable(ctx, v.canary)...)
	return nil
}

// list returns the objects of a kind in the Canary's namespace, from the cache.
func (s *shell) list(ctx context.Context, v *view, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kind)
	if err := s.store.client.List(ctx, &list, client.InNamespace(v.canary.Namespace)); err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Kind, err)
	}
	return list.Items, nil
}
