package canary

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// What we create has two owners: the Canary, which is its controller, and the target. The garbage collector removes an
// object when its last owner goes, so a deleted Canary leaves standing what serves users, a new one takes it up again,
// and nothing is left when the target goes too. Revisions and other records have the Canary alone.

// owned is an object with its owners.
func owned(u *unstructured.Unstructured, v *view) *unstructured.Unstructured {
	u = u.DeepCopy()
	u.SetOwnerReferences(v.owners(u))
	return u
}

// owners are those that an object of ours must have.
func (v *view) owners(u *unstructured.Unstructured) []metav1.OwnerReference {
	owners := []metav1.OwnerReference{*metav1.NewControllerRef(v.canary, kindCanary)}
	if v.target != nil && u.GroupVersionKind() != kindControllerRevision {
		owners = append(owners, v.targetOwner())
	}
	return owners
}

func (v *view) targetOwner() metav1.OwnerReference {
	apiVersion, kind := v.kind.GroupVersionKind().ToAPIVersionAndKind()
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: v.target.GetName(), UID: v.target.GetUID()}
}

// isOurs tells whether we may write to an object: the Canary controls it, or a Canary before it left it with the target.
func (v *view) isOurs(live metav1.Object) bool {
	if metav1.IsControlledBy(live, v.canary) {
		return true
	}
	return v.target != nil && metav1.GetControllerOfNoCopy(live) == nil &&
		slices.ContainsFunc(live.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == v.target.GetUID() })
}

// ownersPatch adds to an object of ours the owners that it misses; nil when it has them.
func (v *view) ownersPatch(live *unstructured.Unstructured) []any {
	has := live.GetOwnerReferences()
	missing := slices.DeleteFunc(v.owners(live), func(want metav1.OwnerReference) bool {
		return slices.ContainsFunc(has, func(o metav1.OwnerReference) bool { return o.UID == want.UID })
	})
	if len(missing) == 0 {
		return nil
	}
	with := live.DeepCopy()
	with.SetOwnerReferences(append(has, missing...))
	owners, _, _ := unstructured.NestedSlice(with.Object, "metadata", "ownerReferences")
	return owners
}

// releasePrimary takes the target's ownership from what only the primary uses, so that it goes with the Canary.
func (s *shell) releasePrimary(ctx context.Context, v *view) error {
	if v.target == nil {
		return nil // then it goes in any case
	}
	objects := []object{
		v.workload(v.primaryName()), v.in(kindVirtualNode, v.apex()+"-primary"), v.in(kindService, v.apex()+"-primary"),
	}
	if scaler := canary.ScalerOf(v.canary); scaler != nil && v.scaler != nil {
		objects = append(objects, v.in(scaler.GroupVersionKind(), v.canary.Spec.AutoscalerRef.Name+"-primary"))
	}
	for _, o := range objects {
		live, err := s.store.get(ctx, o)
		if err != nil {
			return err
		}
		if err := s.release(ctx, v, o, live); err != nil {
			return err
		}
	}
	return s.releaseCopies(ctx, v)
}

func (s *shell) release(ctx context.Context, v *view, o object, live *unstructured.Unstructured) error {
	if live == nil || !metav1.IsControlledBy(live, v.canary) {
		return nil
	}
	without := live.DeepCopy()
	without.SetOwnerReferences(slices.DeleteFunc(live.GetOwnerReferences(), func(o metav1.OwnerReference) bool {
		return o.UID == v.target.GetUID()
	}))
	if len(without.GetOwnerReferences()) == len(live.GetOwnerReferences()) {
		return nil
	}
	owners, _, _ := unstructured.NestedSlice(without.Object, "metadata", "ownerReferences")
	_, err := s.store.patch(ctx, o, map[string]any{"metadata": map[string]any{"ownerReferences": owners}})
	return err
}

// hold puts the finalizer on the Canary, or takes it off. Others' finalizers stay.
func (s *shell) hold(ctx context.Context, v *view, fact canary.Held) error {
	finalizers := slices.Clone(v.canary.Finalizers)
	switch has := slices.Contains(finalizers, canary.Finalizer); {
	case has == fact.By:
		return nil
	case fact.By:
		finalizers = append(finalizers, canary.Finalizer)
	default:
		finalizers = slices.DeleteFunc(finalizers, func(f string) bool { return f == canary.Finalizer })
	}
	list := make([]any, 0, len(finalizers))
	for _, f := range finalizers {
		list = append(list, f)
	}
	// The list is replaced as a whole, so it must be the one that was read; the status was written since.
	live, err := s.store.get(ctx, canaryObject(v.canary))
	if err != nil || live == nil || !slices.Equal(live.GetFinalizers(), v.canary.Finalizers) {
		return err // somebody edited it: the watch brings us back
	}
	_, err = s.store.patch(ctx, canaryObject(v.canary), map[string]any{"metadata": map[string]any{
		"finalizers": list, "resourceVersion": live.GetResourceVersion(),
	}})
	return err
}
