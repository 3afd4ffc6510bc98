package mesh

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

const (
	// bundleCheck is how often the certificate bundle is read. A new authority signs nothing before every sidecar had
	// time to see it, so minutes would do.
	bundleCheck = 10 * time.Second
	// writeRetry is the pause after a failed write, and how long the echo of our own write may take.
	writeRetry = 5 * time.Second
	// writeTimeout bounds one request.
	writeTimeout = 10 * time.Second
	// podEventsPerSecond and podEventBurst bound what is told to pods without a proxy, of which there may be thousands at
	// once: those that are not told now are told at a later look.
	podEventsPerSecond, podEventBurst = 5, 50
	// reconcileError is the reason of App Mesh's events.
	reconcileError = "ReconcileError"
)

// writer is the part of a controller that only the Lease holder runs. It lives as long as the Lease is held.
type writer struct {
	*Controller
	events record.EventRecorder
	// recent holds what was written a moment ago, until the watch brings it back.
	recent map[types.UID]writtenCondition
	// refused is what the proxies of all replicas refuse.
	refused []mesh.Refusal
	// stranded watches what App Mesh left.
	stranded *strandedWatch
	// settled, toldPending and said remember what was done and told about that.
	settled, toldPending map[types.UID]time.Time
	said                 map[string]bool
	// toldNaked is what was told to pods without a proxy, podEvents how many more may be.
	toldNaked map[types.UID]inject.Reason
	podEvents flowcontrol.PassiveRateLimiter
}

type writtenCondition struct {
	condition condition
	at        time.Time
}

func newWriter(c *Controller) *writer {
	return &writer{Controller: c, recent: map[types.UID]writtenCondition{}, settled: map[types.UID]time.Time{}, podEvents: flowcontrol.NewTokenBucketPassiveRateLimiter(podEventsPerSecond, podEventBurst)}
}

// run brings conditions and ConfigMaps to what the last build says, until the Lease is lost.
func (w *writer) run(ctx context.Context) {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: w.kube.CoreV1().Events("")})
	w.events = broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "sluice-mesh"})
	stranded, err := watchStranded(ctx, w.kube, signal(w.written))
	if err != nil { // only a wrong use of the library
		w.log.Error("watch what App Mesh left", "error", err)
		return
	}
	w.stranded = stranded
	defer w.metrics.set(leftovers{})
	defer w.metrics.setNaked(nil)
	look := time.NewTicker(bundleCheck)
	defer look.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	refused := make(chan []mesh.Refusal)
	go w.followRefusals(ctx, refused)
	// One of five things can happen:
	for {
		select {
		// 1. The Lease is lost, or the process stops.
		case <-ctx.Done():
			return
		// 2. There is a new build, or somebody touched a ConfigMap or something that App Mesh left.
		case <-w.written:
		// 3. The certificate bundle may have changed, or App Mesh's controller may have stopped.
		case <-look.C:
		// 4. A proxy refuses something, or does not any more.
		case w.refused = <-refused:
		// 5. The last writing failed, or we just became the writer.
		case <-retry.C:
		}
		if !w.write(ctx) {
			retry.Reset(writeRetry)
		}
	}
}

// write does what is to be done now and tells whether all of it worked.
func (w *writer) write(ctx context.Context) bool {
	built := w.last.Load()
	if built == nil {
		return true
	}
	now := time.Now()
	if err := w.stranded.follow(ctx, ProxyNamespaces(built.snapshot)); err != nil { // only a wrong use of the library
		w.log.Error("watch what App Mesh left", "error", err)
	}
	stock := w.stranded.stock(now)
	left, naked := findLeftovers(*built, stock), findNaked(stock.pods, built.snapshot, w.config.Namespace)
	done := w.settle(ctx, left, now)
	w.tellNaked(naked)
	report := newReport(*built, slices.Concat(mesh.Refused(w.refused), left.problems, nakedProblems(naked)))
	for _, change := range report.changes(w.lookup) {
		if last, ok := w.recent[change.have.uid]; ok && last.condition == change.want && now.Sub(last.at) < writeRetry {
			continue
		}
		if err := w.writeCondition(ctx, change, now); err != nil {
			w.log.Warn("write status", "kind", change.Kind, "namespace", change.Namespace, "name", change.Name, "error", err)
			done = false
		}
	}
	for uid, last := range w.recent {
		if now.Sub(last.at) >= writeRetry {
			delete(w.recent, uid)
		}
	}
	return w.writeConfigMaps(ctx, report) && done
}

// writeCondition patches the status fields that are ours, and tells about a new problem by an event.
func (w *writer) writeCondition(ctx context.Context, change change, now time.Time) error {
	patch, err := change.patch(now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err = w.dynamic.Resource(meshResource(change.Kind)).Namespace(change.Namespace).Patch(
		ctx, change.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: sluice.ManagedBy}, "status")
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	w.recent[change.have.uid] = writtenCondition{change.want, now}
	if change.newProblem() {
		w.events.Event(reference(change.ObjectRef, change.have.uid), corev1.EventTypeWarning, reconcileError, change.want.message)
	}
	return nil
}

// tellNaked sends an event to every pod without a proxy that was not told yet.
func (w *writer) tellNaked(pods []nakedPod) {
	w.metrics.setNaked(pods)
	told := map[types.UID]inject.Reason{}
	for _, pod := range pods {
		if w.toldNaked[pod.UID] != pod.Reason && !w.podEvents.TryAccept() {
			continue
		}
		told[pod.UID] = pod.Reason
		if w.toldNaked[pod.UID] != pod.Reason {
			kind, reason, message := pod.event()
			w.events.Event(&corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}, kind, reason, message)
		}
	}
	w.toldNaked = told
}

// writeConfigMaps keeps ConfigMap sluice-proxy in every namespace that needs it.
func (w *writer) writeConfigMaps(ctx context.Context, report *report) bool {
	bundle, err := w.config.Bundle()
	if err != nil || len(bundle) == 0 {
		// Without a bundle a sidecar could not trust us; an old one is better than none.
		w.log.Warn("read certificate bundle", "error", err)
		return false
	}
	want, done := proxyConfigData(bundle), true
	for _, namespace := range report.namespaces {
		obj, exists, err := w.sources.proxyConfig.GetStore().GetByKey(namespace + "/" + sluice.ProxyConfigMap)
		if have, ok := obj.(*corev1.ConfigMap); err == nil && exists && ok && holds(have.Data, want) {
			continue
		}
		if err := w.applyConfigMap(ctx, namespace, want); err != nil {
			w.log.Warn("write ConfigMap", "namespace", namespace, "name", sluice.ProxyConfigMap, "error", err)
			done = false
		}
	}
	return done
}

func (w *writer) applyConfigMap(ctx context.Context, namespace string, data map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err := w.kube.CoreV1().ConfigMaps(namespace).Apply(ctx,
		corev1apply.ConfigMap(sluice.ProxyConfigMap, namespace).
			WithLabels(map[string]string{"app.kubernetes.io/managed-by": sluice.ManagedBy}).
			WithData(data),
		metav1.ApplyOptions{FieldManager: sluice.ManagedBy, Force: true})
	if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		// The namespace is going away, and the next report does not name it any more.
		return nil
	}
	return err
}
