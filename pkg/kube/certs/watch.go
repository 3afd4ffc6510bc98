package certs

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// watch wakes the loop whenever one of our objects changes. Each object has a watch of its own, by name, because that
// is the only kind of watch that RBAC can grant for some Secrets of a namespace and not for the others.
func (k *Keeper) watch(ctx context.Context) {
	secrets := []string{k.options.Serving}
	if len(k.options.Leaves) > 0 {
		secrets = []string{sluice.CASecret}
		for _, leaf := range k.options.Leaves {
			secrets = append(secrets, leaf.Secret)
		}
	}
	hooks := k.options.Client.AdmissionregistrationV1().RESTClient()
	k.watchOne(ctx, hooks, named{"mutatingwebhookconfigurations", "", k.options.Configuration}, &admissionregistrationv1.MutatingWebhookConfiguration{})
	k.watchOne(ctx, hooks, named{"validatingwebhookconfigurations", "", k.options.Configuration}, &admissionregistrationv1.ValidatingWebhookConfiguration{})
	for _, name := range secrets {
		k.watchOne(ctx, k.options.Client.CoreV1().RESTClient(), named{"secrets", k.options.Namespace, name}, &corev1.Secret{})
	}
}

// named is one object of the cluster.
type named struct{ resource, namespace, name string }

// watchOne runs an informer on a single object. Its store is not read: a Sync asks the API server, which is the truth
// that the optimistic lock is checked against.
func (k *Keeper) watchOne(ctx context.Context, client cache.Getter, what named, prototype runtime.Object) {
	source := cache.NewListWatchFromClient(client, what.resource, what.namespace, fields.OneTermEqualSelector("metadata.name", what.name))
	informer := cache.NewSharedInformer(source, prototype, 0)
	wake := func() {
		select {
		case k.wake <- struct{}{}:
		default: // one wake-up is pending already
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	})
	if err != nil { // only when the informer has stopped, which it has not
		k.options.Log.Error(err, "cannot watch; the hourly check remains", "resource", what.resource, "name", what.name)
		return
	}
	go informer.RunWithContext(ctx)
}
