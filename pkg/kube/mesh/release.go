package mesh

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// pendingRepeat is how often the event of a deletion that waits is repeated, as App Mesh did.
const pendingRepeat = time.Minute

// settle does what the leftovers ask for and tells whether all of it worked.
func (w *writer) settle(ctx context.Context, left leftovers, now time.Time) bool {
	w.tellLeftovers(left)
	w.metrics.set(left)
	w.tellPending(left.waiting, now)
	for uid, at := range w.settled {
		if now.Sub(at) >= writeRetry {
			delete(w.settled, uid)
		}
	}
	done := true
	for _, r := range left.releases {
		if _, lately := w.settled[r.uid]; lately {
			continue // the watch has not brought our own write back yet
		}
		if err := w.release(ctx, r, now); err != nil {
			w.log.Warn("take App Mesh's finalizers off", "kind", r.Kind, "namespace", r.Namespace, "name", r.Name, "error", err)
			done = false
		}
	}
	for _, pod := range left.gates {
		if _, lately := w.settled[pod.UID]; lately {
			continue
		}
		if err := w.openGate(ctx, pod, now); err != nil {
			w.log.Warn("open App Mesh's readiness gate", "namespace", pod.Namespace, "pod", pod.Name, "error", err)
			done = false
		}
	}
	return done
}

// release takes finalizers off an object that is being deleted.
func (w *writer) release(ctx context.Context, r release, now time.Time) error {
	patch, err := r.patch()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err = w.dynamic.Resource(meshResource(r.Kind)).Namespace(r.Namespace).Patch(
		ctx, r.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: sluice.ManagedBy})
	if apierrors.IsNotFound(err) {
		return nil // the cache lags behind our own write
	}
	if err != nil {
		return err
	}
	w.settled[r.uid] = now
	w.metrics.released.Inc()
	w.log.Info("took App Mesh's finalizers off", "kind", r.Kind, "namespace", r.Namespace, "name", r.Name)
	return nil
}

// openGate sets the condition that a pod's readiness gate waits for.
func (w *writer) openGate(ctx context.Context, pod *foreignPod, now time.Time) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID},
		"status":   map[string]any{"conditions": []corev1.PodCondition{openGate(metav1.NewTime(now))}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	// Strategic: conditions are merged by their type.
	_, err = w.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: sluice.ManagedBy}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone, or another pod has its name
	}
	if err != nil {
		return err
	}
	w.settled[pod.UID] = now
	w.metrics.opened.Inc()
	w.log.Info("opened App Mesh's readiness gate", "namespace", pod.Namespace, "pod", pod.Name)
	return nil
}

// tellPending sends App Mesh's event about deletions that wait for members.
func (w *writer) tellPending(waiting []pending, now time.Time) {
	told := map[types.UID]time.Time{}
	for _, p := range waiting {
		told[p.uid] = w.toldPending[p.uid]
		if now.Sub(told[p.uid]) < pendingRepeat {
			continue
		}
		told[p.uid] = now
		w.events.Event(reference(p.ObjectRef, p.uid), corev1.EventTypeWarning, mesh.ReasonPendingMembers, p.members.Pending(p.ObjectRef))
	}
	w.toldPending = told
}

// tellLeftovers logs what somebody has to do, once while it lasts.
func (w *writer) tellLeftovers(left leftovers) {
	said := map[string]bool{}
	for _, d := range left.dead {
		key := d.kind + "/" + d.name
		if said[key] = true; !w.said[key] {
			w.log.Warn("a webhook configuration of App Mesh refuses because nobody answers for it",
				"kind", d.kind, "name", d.name, "service", d.service, "because", d.why, "remedy", d.command())
		}
	}
	if left.rival != "" {
		if said[rivalLease] = true; !w.said[rivalLease] {
			w.log.Warn("App Mesh's controller runs beside us; finalizers and readiness gates are left to it until it stops", "known-by", left.rival)
		}
	}
	w.said = said
}
