package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// keptRevisions is how many pod templates are kept per Canary, besides those that its status names.
const keptRevisions = 5

// labelCanary says on a ControllerRevision which Canary keeps it.
const labelCanary = "sluice.dev/canary"

// keepRevision keeps the target's pod template. The API server makes it immutable, so what is promoted later is what
// was there now, whatever happens to the target meanwhile.
func (s *shell) keepRevision(ctx context.Context, v *view, fact canary.KeepRevision) error {
	o := v.in(kindControllerRevision, fact.Name)
	live, err := s.store.get(ctx, o)
	if err != nil {
		return err
	}
	if live != nil {
		if !v.isOurs(live) {
			return fmt.Errorf("%w: %s", errForeign, foreign(o, live))
		}
		return nil
	}
	template, revision := v.inherited, v.obs.Inherited
	if !fact.FromPrimary && v.target != nil {
		template, revision = v.kind.Content(v.target.Object), v.obs.Target.Revision
	}
	if template == nil || revision != fact.Revision {
		return fmt.Errorf("%s %s has moved on from revision %s", v.canary.Spec.TargetRef.Kind, v.targetName(), fact.Revision)
	}
	history, err := s.revisions(ctx, v)
	if err != nil {
		return err
	}
	number := int64(1)
	for _, revision := range history {
		number = max(number, numberOf(revision)+1)
	}
	data := map[string]any{"template": template}
	if len(fact.Configs) > 0 {
		configs := map[string]any{}
		for key, hash := range fact.Configs {
			configs[key] = hash
		}
		data["configs"] = configs
	}
	u := &unstructured.Unstructured{Object: map[string]any{"data": data, "revision": number}}
	u.SetGroupVersionKind(kindControllerRevision)
	u.SetNamespace(o.Namespace)
	u.SetName(o.Name)
	u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": sluice.ManagedBy, labelCanary: v.canary.Name})
	u.SetAnnotations(map[string]string{sluice.AnnotationRevision: fact.Revision})
	if err := s.write(ctx, v, nil, u); err != nil {
		return err
	}
	return s.forgetRevisions(ctx, v, history, fact.Name)
}

// revisions lists the kept pod templates of a Canary, newest first.
func (s *shell) revisions(ctx context.Context, v *view) ([]unstructured.Unstructured, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kindControllerRevision)
	err := s.store.client.List(ctx, &list, client.InNamespace(v.canary.Namespace), client.MatchingLabels{labelCanary: v.canary.Name})
	if err != nil {
		return nil, fmt.Errorf("list the kept revisions: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b unstructured.Unstructured) int { return int(numberOf(b) - numberOf(a)) })
	return list.Items, nil
}

func numberOf(revision unstructured.Unstructured) int64 {
	n, _, _ := unstructured.NestedInt64(revision.Object, "revision")
	return n
}

// forgetRevisions deletes the oldest pod templates. Those that the status names are what a rollback or a promotion
// needs, so they stay however old they are.
func (s *shell) forgetRevisions(ctx context.Context, v *view, history []unstructured.Unstructured, created string) error {
	needed := []string{created}
	if v.canary.Status.Rollout != nil {
		needed = append(needed, v.canary.Status.Rollout.ControllerRevision, v.canary.Status.Rollout.PromotedControllerRevision)
	}
	kept := 1
	for i := range history {
		revision := &history[i]
		promoted := revision.GetAnnotations()[sluice.AnnotationRevision] == v.canary.Status.LastPromotedSpec
		if kept++; kept <= keptRevisions || promoted || slices.Contains(needed, revision.GetName()) {
			continue
		}
		if err := s.store.client.Delete(ctx, revision); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s: %w", objectOf(revision), err)
		}
	}
	return nil
}

// ensurePrimary makes the primary run a kept pod template.
func (s *shell) ensurePrimary(ctx context.Context, v *view, fact canary.PrimaryWorkload) error {
	if v.target == nil {
		return fmt.Errorf("%s %s does not exist", v.canary.Spec.TargetRef.Kind, v.targetName())
	}
	if v.podsErr != nil {
		return v.podsErr
	}
	kept, err := s.store.get(ctx, v.in(kindControllerRevision, fact.Name))
	if err != nil {
		return err
	}
	if kept == nil && v.primary != nil && v.obs.Primary.Revision == fact.FromRevision {
		return nil // somebody deleted what the primary runs already
	}
	if kept == nil {
		return fmt.Errorf("ControllerRevision %s, the pod template to promote, does not exist", fact.Name)
	}
	template, _, err := unstructured.NestedMap(kept.Object, "data", "template")
	if err != nil {
		return fmt.Errorf("read ControllerRevision %s: %w", fact.Name, err)
	}
	configs, err := s.copyNames(ctx, v, kept)
	if err != nil {
		return err
	}
	source := canary.PrimarySource{
		Target: v.target.DeepCopy().Object, Template: template, Revision: fact.FromRevision, MinReplicas: fact.MinReplicas,
		LabelPrefixes: s.labelPrefixes, Configs: configs,
	}
	if v.primary != nil {
		source.Current = v.primary.DeepCopy().Object
	}
	want, err := content(v.kind.Primary(v.canary, v.pods, source))
	if err != nil {
		return err
	}
	return s.ensure(ctx, v, want)
}

// ensurePrimaryScaler copies the target's autoscaler for the primary.
func (s *shell) ensurePrimaryScaler(ctx context.Context, v *view, fact canary.PrimaryScaler) error {
	if v.scaler == nil {
		return nil
	}
	want, err := content(canary.ScalerOf(v.canary).Primary(v.canary, v.scaler.DeepCopy().Object, fact.MinReplicas))
	if err != nil {
		return err
	}
	return s.ensure(ctx, v, want)
}

// ensureTargetScaler keeps the target's own autoscaler from waking an idle target, or lets it work again.
func (s *shell) ensureTargetScaler(ctx context.Context, v *view, fact canary.TargetScaler) error {
	if v.scaler == nil {
		return nil
	}
	patch := canary.ScalerOf(v.canary).Pause(v.scaler.Object, fact.Paused)
	if patch == nil {
		return nil
	}
	_, err := s.store.patch(ctx, objectOf(v.scaler), patch)
	return err
}

// content is a built object with the number types that the caches use, so that comparing is fair.
func content(built map[string]any) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(built)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return u, nil
}
