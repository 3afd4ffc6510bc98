package canary

import (
	"log/slog"

	corev1 "k8s.io/api/core/v1"
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
	// ReasonAlertFailed is an alert that did not reach anybody.
	ReasonAlertFailed = "AlertFailed"
	// ReasonFactFailed is a write that the API server refused.
	ReasonFactFailed = "WriteFailed"
)

// component is the source of our events.
const component = "sluice-canary"

// events are told twice: to the Canary's event log and to our own, whose lines people follow during a release.
type events struct {
	writer *eventWriter
	log    *slog.Logger
}

// record tells an event of the engine.
func (e *events) record(ref *corev1.ObjectReference, event canary.Event, status *canaryv1beta1.CanaryStatus) {
	e.writer.write(ref, event.Type, event.Reason, event.Message)
	e.log.Info(event.Message, "canary", ref.Name+"."+ref.Namespace, "type", event.Type, "reason", event.Reason,
		"phase", string(status.Phase), "weight", status.CanaryWeight.Int())
}

// warn tells what the shell itself has to say.
func (e *events) warn(ref *corev1.ObjectReference, reason, message string) {
	e.writer.write(ref, corev1.EventTypeWarning, reason, message)
	e.log.Warn(message, "canary", ref.Name+"."+ref.Namespace, "type", corev1.EventTypeWarning, "reason", reason)
}

// reference points an event at a Canary, decoded or not.
func reference(c client.Object) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: kindCanary.GroupVersion().String(), Kind: kindCanary.Kind,
		Namespace: c.GetNamespace(), Name: c.GetName(), UID: c.GetUID(), ResourceVersion: c.GetResourceVersion(),
	}
}
