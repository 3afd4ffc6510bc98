package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

var kindNamespace = corev1.SchemeGroupVersion.WithKind("Namespace")

// namespaces labels those that hold Canaries, and takes the label off when the last Canary is gone. By the label the API
// server knows whose Deployments, autoscalers and so on the webhook has something to say about.
type namespaces struct {
	client client.Client
	// only are the namespaces that we look after; none means all of them.
	only []string
}

// labelNamespaces lets one more controller keep the labels.
func labelNamespaces(mgr manager.Manager, name string, only []string) error {
	n := &namespaces{client: mgr.GetClient(), only: only}
	ctl, err := controller.New(name+"-namespace", mgr, controller.Options{Reconciler: n, SkipNameValidation: ptr.To(name != defaultName)})
	if err != nil {
		return fmt.Errorf("make the controller of namespaces: %w", err)
	}
	for _, src := range []source.Source{
		source.Kind[client.Object](mgr.GetCache(), metadataOf(kindNamespace), &handler.EnqueueRequestForObject{}),
		source.Kind(mgr.GetCache(), client.Object(empty(kindCanary)), handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: o.GetNamespace()}}}
		})),
	} {
		if err := ctl.Watch(src); err != nil {
			return fmt.Errorf("watch namespaces: %w", err)
		}
	}
	return nil
}

// Reconcile looks at one namespace. Where the label is right nothing is asked of the API server.
func (n *namespaces) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if len(n.only) > 0 && !slices.Contains(n.only, request.Name) {
		return reconcile.Result{}, nil
	}
	namespace := metadataOf(kindNamespace)
	if err := n.client.Get(ctx, request.NamespacedName, namespace); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	holds, err := n.holdsCanaries(ctx, request.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	_, labelled := namespace.Labels[sluice.LabelCanaries]
	if labelled == holds || namespace.DeletionTimestamp != nil {
		return reconcile.Result{}, nil
	}
	var value any // null takes it off
	if holds {
		value = sluice.CanariesPresent
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{sluice.LabelCanaries: value}}})
	if err != nil {
		return reconcile.Result{}, err
	}
	// The patch is a merge of this label alone: whatever else changes meanwhile stays.
	target := metadataOf(kindNamespace)
	target.Name = request.Name
	if err := n.client.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil && !apierrors.IsNotFound(err) {
		return reconcile.Result{}, fmt.Errorf("label namespace %s: %w", request.Name, err)
	}
	return reconcile.Result{}, nil
}

// holdsCanaries asks the cache. A Canary on its way out counts until it is gone.
func (n *namespaces) holdsCanaries(ctx context.Context, namespace string) (bool, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kindCanary)
	if err := n.client.List(ctx, &list, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return false, fmt.Errorf("list the Canaries of %s: %w", namespace, err)
	}
	return len(list.Items) > 0, nil
}
