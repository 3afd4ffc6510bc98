package canary

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// watch makes a Canary be looked at whenever anything changes that its next decision may depend on.
func (s *shell) watch(mgr manager.Manager, ctl controller.Controller) error {
	sources := []source.Source{
		source.Kind[client.Object](mgr.GetCache(), empty(kindCanary), s.onEvent(func(o client.Object) []types.NamespacedName {
			return []types.NamespacedName{client.ObjectKeyFromObject(o)}
		})),
		source.Kind[client.Object](mgr.GetCache(), &corev1.Pod{}, s.onEvent(s.pollersOf)),
		source.Kind[client.Object](mgr.GetCache(), &discoveryv1.EndpointSlice{}, s.onEvent(func(o client.Object) []types.NamespacedName {
			// A slice belongs to the Service that this label names.
			return s.index.of(types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetLabels()[discoveryv1.LabelServiceName]})
		})),
	}
	for _, kind := range []schema.GroupVersionKind{
		kindDeployment, kindDaemonSet, kindHPA, kindService,
		kindVirtualNode, kindVirtualRouter, kindVirtualService, kindMetricTemplate,
	} {
		sources = append(sources, source.Kind[client.Object](mgr.GetCache(), empty(kind), s.onEvent(s.usersOf)))
	}
	if s.configs != nil {
		for _, kind := range configKinds {
			sources = append(sources, source.Kind[client.Object](mgr.GetCache(), metadataOf(kind), s.onEvent(s.usersOf)))
		}
	}
	// Revisions are read but never waited for: the one event that could matter is the deletion of one in use.
	sources = append(sources, source.Kind[client.Object](mgr.GetCache(), empty(kindControllerRevision), s.onEvent(s.ownerOf)))
	s.optional = newOptionalKinds(mgr.GetRESTMapper(), func(kind schema.GroupVersionKind) error {
		return errors.Join(
			ctl.Watch(source.Kind[client.Object](mgr.GetCache(), empty(kind), s.onEvent(s.usersOf))),
			s.rulebook.Appeared(kind))
	})
	sources = append(sources, s.rulebook.Filled())
	for _, src := range sources {
		if err := ctl.Watch(src); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return nil
}

// usersOf are the Canaries that looked at an object of this name.
func (s *shell) usersOf(o client.Object) []types.NamespacedName {
	return s.index.of(client.ObjectKeyFromObject(o))
}

func (s *shell) ownerOf(o client.Object) []types.NamespacedName {
	owner := metav1.GetControllerOf(o)
	if owner == nil || owner.Kind != kindCanary.Kind {
		return nil
	}
	return []types.NamespacedName{{Namespace: o.GetNamespace(), Name: owner.Name}}
}

// onEvent puts the Canaries that an object concerns into the queue.
func (s *shell) onEvent(concerned func(client.Object) []types.NamespacedName) handler.EventHandler {
	add := func(o client.Object, q queue) {
		for _, key := range concerned(o) {
			q.Add(reconcile.Request{NamespacedName: key})
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { add(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.GetResourceVersion() != e.ObjectNew.GetResourceVersion() { // else a periodic resync
				add(e.ObjectNew, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			if kind := e.Object.GetObjectKind().GroupVersionKind(); !kind.Empty() {
				o := object{kind, client.ObjectKeyFromObject(e.Object)}
				s.store.gone(o)
				s.decoded.gone(o)
				if s.configs != nil {
					s.configs.gone(o)
				}
			}
			add(e.Object, q)
		},
	}
}

// pollersOf are the Canaries under analysis whose pods this may be one of.
func (s *shell) pollersOf(o client.Object) []types.NamespacedName {
	return s.sessions.polling(o.GetNamespace())
}
