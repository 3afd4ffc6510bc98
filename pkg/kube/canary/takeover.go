package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// flaggerLease is the name of the Lease that several replicas of Flagger take turns by, in whichever namespace.
const flaggerLease = "flagger-leader-election"

// seeFlagger looks for signs of a Flagger that is still there, and at what one left behind.
func (s *shell) seeFlagger(ctx context.Context, v *view) error {
	var leases coordinationv1.LeaseList
	if err := s.store.client.List(ctx, &leases); err != nil {
		return fmt.Errorf("list the Leases of Flagger: %w", err)
	}
	for i := range leases.Items {
		spec := &leases.Items[i].Spec
		if spec.HolderIdentity == nil || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil {
			continue
		}
		until := spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds) * time.Second)
		if until.After(v.obs.FlaggerLease.Until) {
			v.obs.FlaggerLease = canary.FlaggerLease{Holder: *spec.HolderIdentity, Until: until}
		}
	}
	if v.target == nil || v.primary == nil || v.podsErr != nil || !canary.Inherits(v.canary, v.primary.Object) {
		return nil
	}
	v.inherited = canary.InheritedContent(v.canary, v.pods, v.primary.Object)
	text, err := json.Marshal(v.inherited)
	if err != nil {
		return fmt.Errorf("encode the content of %s: %w", v.primaryName(), err)
	}
	v.obs.Inherited = canary.Revision(text)
	v.obs.InheritedSame = canary.SameContent(v.kind.Content(v.target.Object), v.inherited)
	return nil
}

// slimCanary keeps of the managed fields of a Canary when Flagger wrote last, and nothing else.
func slimCanary(object any) (any, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return object, nil
	}
	var kept []metav1.ManagedFieldsEntry
	for _, f := range u.GetManagedFields() {
		if f.Manager == canary.FlaggerManager {
			f.FieldsV1 = nil
			kept = append(kept, f)
		}
	}
	u.SetManagedFields(kept)
	return u, nil
}
