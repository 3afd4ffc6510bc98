package canary

import (
	"context"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// Reasons of the events that the shell itself emits; the engine's are in pkg/canary.
const (
	// ReasonUndecodable is a Canary whose fields have types that nobody can read.
	ReasonUndecodable = "Undecodable"
	// ReasonForeignObject is an object of a name that we need and that somebody else owns.
	ReasonForeignObject = "ForeignObject"
	// ReasonFactFailed is a write that the API server refused.
	ReasonFactFailed = "WriteFailed"
)

const (
	// reasonSynced is the reason of every event that Flagger has too: people filter by it. What an event is about is in
	// annotationReason, for those who want to tell them apart.
	reasonSynced = "Synced"
	// annotationReason on an event holds the engine's reason.
	annotationReason = "sluice.dev/reason"
	// component is the source of our events.
	component = "sluice-canary"
)

// events are told twice: to the Canary's event log and to our own, whose lines people follow during a release.
type events struct {
	recorder record.EventRecorder
	log      *slog.Logger
}

// newEvents records until ctx ends. The client library merges similar events of one object and drops those beyond 25 in
// five minutes, which would be in the middle of an ordinary rollout; here a Canary may have several hundred.
func newEvents(ctx context.Context, sink typedcorev1.EventInterface, scheme *runtime.Scheme, log *slog.Logger) *events {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx), record.WithCorrelatorOptions(record.CorrelatorOptions{
		QPS: 1, BurstSize: 300, MaxEvents: 1000,
	}))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: sink})
	return &events{recorder: broadcaster.NewRecorder(scheme, corev1.EventSource{Component: component}), log: log}
}

// record tells an event of the engine.
func (e *events) record(ref *corev1.ObjectReference, event canary.Event, status *canaryv1beta1.CanaryStatus) {
	e.recorder.AnnotatedEventf(ref, map[string]string{annotationReason: event.Reason}, event.Type, reasonSynced, "%s", event.Message)
	e.log.Info(event.Message, "canary", ref.Name+"."+ref.Namespace, "type", event.Type, "reason", event.Reason,
		"phase", string(status.Phase), "weight", status.CanaryWeight.Int())
}

// warn tells what the shell itself has to say.
func (e *events) warn(ref *corev1.ObjectReference, reason, message string) {
	e.recorder.Event(ref, corev1.EventTypeWarning, reason, message)
	e.log.Warn(message, "canary", ref.Name+"."+ref.Namespace, "type", corev1.EventTypeWarning, "reason", reason)
}

// reference points an event at a Canary, decoded or not.
func reference(c client.Object) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: kindCanary.GroupVersion().String(), Kind: kindCanary.Kind,
		Namespace: c.GetNamespace(), Name: c.GetName(), UID: c.GetUID(), ResourceVersion: c.GetResourceVersion(),
	}
}
