package admission

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json" // reads names as the API server does: case matters
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// collection is a cache of all objects of one kind, as values of T. The objects are shared: nobody may change them.
type collection[T any] struct {
	resource schema.GroupVersionResource
	client   dynamic.Interface
	informer cache.SharedIndexInformer
	log      logr.Logger
	counters *counters
}

func newCollection[T any](client dynamic.Interface, resource schema.GroupVersionResource, log logr.Logger, counters *counters) (*collection[T], error) {
	c := &collection[T]{resource: resource, client: client, log: log, counters: counters}
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	c.informer = dynamicinformer.NewFilteredDynamicInformer(client, resource, metav1.NamespaceAll, 0, indexers, nil).Informer()
	if err := c.informer.SetTransform(c.decodeAny); err != nil {
		return nil, fmt.Errorf("cache %s: %w", resource.GroupResource(), err)
	}
	return c, nil
}

// decodeAny is the informer's transform. What cannot be decoded stays in the store as it came, so that the informer
// can go on; readers skip it.
func (c *collection[T]) decodeAny(in any) (any, error) {
	u, ok := in.(*unstructured.Unstructured)
	if !ok {
		return in, nil // decoded already: transforms may be called twice
	}
	object, err := decode[T](u)
	if err != nil {
		c.counters.undecodable.WithLabelValues(c.resource.Resource).Inc()
		c.log.Error(err, "an object cannot be read and is left out", "resource", c.resource.Resource, "namespace", u.GetNamespace(), "name", u.GetName())
		return u, nil
	}
	return object, nil
}

// decode goes through JSON, because that is what the types' own decoding is written for.
func decode[T any](u *unstructured.Unstructured) (*T, error) {
	unstructured.RemoveNestedField(u.Object, "metadata", "managedFields") // large, and nobody here reads it
	raw, err := u.MarshalJSON()
	if err != nil {
		return nil, err
	}
	object := new(T)
	if err := json.Unmarshal(raw, object); err != nil {
		return nil, err
	}
	return object, nil
}

// all returns what is cached of the whole cluster.
func (c *collection[T]) all() []*T {
	return typed[T](c.informer.GetStore().List())
}

// in returns what is cached of a namespace.
func (c *collection[T]) in(namespace string) []*T {
	found, err := c.informer.GetIndexer().ByIndex(cache.NamespaceIndex, namespace)
	if err != nil { // only if the index does not exist
		return nil
	}
	return typed[T](found)
}

// get returns one cached object, or nil.
func (c *collection[T]) get(namespace, name string) *T {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	found, ok, err := c.informer.GetStore().GetByKey(key)
	if err != nil || !ok {
		return nil
	}
	object, _ := found.(*T)
	return object
}

func typed[T any](found []any) []*T {
	objects := make([]*T, 0, len(found))
	for _, item := range found {
		if object, ok := item.(*T); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// live asks the API server; an empty namespace means all of them.
func (c *collection[T]) live(ctx context.Context, namespace string) ([]*T, error) {
	c.counters.live.WithLabelValues(c.resource.Resource).Inc()
	list, err := c.client.Resource(c.resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", c.resource.GroupResource(), err)
	}
	var objects []*T
	for i := range list.Items {
		decoded, _ := c.decodeAny(&list.Items[i]) // never fails: what it cannot decode comes back as it was
		if object, ok := decoded.(*T); ok {
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// cached returns one cached object as Kubernetes sees it, or nil.
func (c *collection[T]) cached(namespace, name string) metav1.Object {
	object := c.get(namespace, name)
	if object == nil {
		return nil // not a nil pointer, which as an interface would be something
	}
	known, _ := any(object).(metav1.Object)
	return known
}

// list returns all that are cached as Kubernetes sees them.
func (c *collection[T]) list() []metav1.Object {
	var objects []metav1.Object
	for _, item := range c.informer.GetStore().List() {
		if _, decoded := item.(*T); decoded {
			objects = append(objects, item.(metav1.Object))
		}
	}
	return objects
}

// read asks the API server for one object.
func (c *collection[T]) read(ctx context.Context, namespace, name string) (metav1.Object, error) {
	c.counters.live.WithLabelValues(c.resource.Resource).Inc()
	u, err := c.client.Resource(c.resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s %s/%s: %w", c.resource.GroupResource(), namespace, name, err)
	}
	object, err := decode[T](u)
	if err != nil {
		return nil, fmt.Errorf("read %s %s/%s: %w", c.resource.GroupResource(), namespace, name, err)
	}
	known, _ := any(object).(metav1.Object)
	return known, nil
}
