package canary

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// decodedObjects keeps the typed form of objects that are looked at again and again: each version is decoded once. Who
// waits for a turn looks at all Canaries, of which there may be a thousand.
// What it returns is shared: do not change it.
type decodedObjects[T any] struct {
	mu   sync.Mutex
	kept map[types.NamespacedName]decodedObject[T]
}

type decodedObject[T any] struct {
	uid             types.UID
	resourceVersion string
	value           *T
	err             error
}

// of decodes one object, or remembers it. An object that does not decode gives an error of its own and stops nobody.
func (d *decodedObjects[T]) of(u *unstructured.Unstructured) (*T, error) {
	key := types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.kept[key]; ok && k.uid == u.GetUID() && k.resourceVersion == u.GetResourceVersion() {
		return k.value, k.err
	}
	k := decodedObject[T]{uid: u.GetUID(), resourceVersion: u.GetResourceVersion(), value: new(T)}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, k.value); err != nil {
		k.value, k.err = nil, fmt.Errorf("decode %s: %w", objectOf(u), err)
	}
	if d.kept == nil {
		d.kept = map[types.NamespacedName]decodedObject[T]{}
	}
	d.kept[key] = k
	return k.value, k.err
}

// gone forgets an object.
func (d *decodedObjects[T]) gone(key types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kept, key)
}

// decoded holds the objects of our own API.
type decoded struct {
	canaries       decodedObjects[canaryv1beta1.Canary]
	alertProviders decodedObjects[canaryv1beta1.AlertProvider]
	templates      decodedObjects[canaryv1beta1.MetricTemplate]
}

func (d *decoded) gone(o object) {
	switch o.GroupVersionKind {
	case kindCanary:
		d.canaries.gone(o.NamespacedName)
	case kindAlertProvider:
		d.alertProviders.gone(o.NamespacedName)
	case kindMetricTemplate:
		d.templates.gone(o.NamespacedName)
	}
}
