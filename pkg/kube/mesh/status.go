package mesh

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// condition is what we say about one generation of one object.
type condition struct {
	kind            string
	status          metav1.ConditionStatus
	reason, message string
	generation      int64
}

// objectStatus is an object's status as it is in the cluster.
type objectStatus struct {
	identity
	conditions []appmeshv1beta2.Condition
	observed   int64
	// hasStatus is unset for a BackendGroup, whose status has no fields.
	hasStatus bool
}

// condition reads one condition; its generation is the status's, which is what we write.
func (s objectStatus) condition(kind string) condition {
	for _, c := range s.conditions {
		if string(c.Type) == kind {
			return condition{kind: kind, status: c.Status, reason: c.Reason, message: c.Message, generation: s.observed}
		}
	}
	return condition{}
}

// change is a condition to be written. It is pure; writing it is the writer's.
type change struct {
	mesh.ObjectRef
	have objectStatus
	want condition
	// lasting tells that somebody has to do something about it.
	lasting bool
}

// newProblem tells that the change is worth an event: a lasting problem that the object's status did not tell yet. The
// status remembers, so a new Lease holder does not repeat its predecessor.
func (c change) newProblem() bool {
	before := c.have.condition(c.want.kind)
	return c.lasting && (before.status != c.want.status || before.reason != c.want.reason || before.message != c.want.message)
}

// patch renders the change as a merge patch of the status. It holds the fields that are ours: conditions of others stay
// in the list, ARNs and everything else are not mentioned.
func (c change) patch(now time.Time) ([]byte, error) {
	ours := appmeshv1beta2.Condition{
		Type: appmeshv1beta2.ConditionType(c.want.kind), Status: c.want.status, Reason: c.want.reason, Message: c.want.message,
		LastTransitionTime: &metav1.Time{Time: now},
	}
	list := make([]appmeshv1beta2.Condition, 0, len(c.have.conditions)+1)
	for _, old := range c.have.conditions {
		if old.Type != ours.Type {
			list = append(list, old)
			continue
		}
		if old.Status == ours.Status && old.LastTransitionTime != nil {
			ours.LastTransitionTime = old.LastTransitionTime
		}
	}
	return json.Marshal(map[string]any{"status": map[string]any{
		"conditions": append(list, ours), "observedGeneration": c.want.generation,
	}})
}

// reference names an object for an event.
func reference(ref mesh.ObjectRef, uid types.UID) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: appmeshv1beta2.GroupVersion.String(), Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, UID: uid,
	}
}

// statusOf reads the status of what a store of ours holds.
func statusOf(obj any) (objectStatus, bool) {
	o, ok := obj.(metav1.Object)
	if !ok {
		return objectStatus{}, false
	}
	out := objectStatus{identity: identity{o.GetUID(), o.GetGeneration()}, hasStatus: true}
	var observed *int64
	switch o := obj.(type) {
	case *appmeshv1beta2.Mesh:
		out.conditions, observed = o.Status.Conditions, o.Status.ObservedGeneration
	case *appmeshv1beta2.VirtualNode:
		out.conditions, observed = o.Status.Conditions, o.Status.ObservedGeneration
	case *appmeshv1beta2.VirtualService:
		out.conditions, observed = o.Status.Conditions, o.Status.ObservedGeneration
	case *appmeshv1beta2.VirtualRouter:
		out.conditions, observed = o.Status.Conditions, o.Status.ObservedGeneration
	case *appmeshv1beta2.VirtualGateway:
		out.conditions, observed = o.Status.Conditions, o.Status.ObservedGeneration
	case *appmeshv1beta2.GatewayRoute:
		out.conditions, observed = o.Status.Conditions, o.Status.ObservedGeneration
	case *undecodable:
		out.conditions, observed = o.conditions, o.observed
		out.hasStatus = o.kind != appmeshv1beta2.KindBackendGroup
	default:
		out.hasStatus = false
	}
	if observed != nil {
		out.observed = *observed
	}
	return out, true
}

// lookup reads an object's status from the store of its kind.
func (c *Controller) lookup(ref mesh.ObjectRef) (objectStatus, bool) {
	informer, ok := c.sources.mesh[ref.Kind]
	if !ok {
		return objectStatus{}, false
	}
	key := ref.Name
	if ref.Namespace != "" {
		key = ref.Namespace + "/" + ref.Name
	}
	obj, exists, err := informer.GetStore().GetByKey(key)
	if err != nil || !exists {
		return objectStatus{}, false
	}
	return statusOf(obj)
}
