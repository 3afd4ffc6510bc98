package admission

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	"github.com/sluice-mesh/sluice/pkg/validate"
)

// collection is a cache of all objects of one kind. The objects are shared: nobody may change them.
type collection struct {
	kind     validate.Kind
	resource schema.GroupVersionResource
	informer cache.SharedIndexInformer
	// fetch asks the API server for one object.
	fetch    func(ctx context.Context, namespace, name string) (any, error)
	log      logr.Logger
	counters *counters
	// optional kinds may be absent.
	optional bool
	// lost is the version of the last list when the API server said that there is no such kind, or that we may not see it.
	lost atomic.Pointer[string]
}

// clients are what collections are filled by.
type clients struct {
	objects  dynamic.Interface
	metadata metadata.Interface
}

// newCollection makes a cache of whole objects, less what no rule reads.
func newCollection(c clients, kind validate.Kind, version string, log logr.Logger, counters *counters) (*collection, error) {
	resource := schema.GroupVersionResource{Group: kind.Group, Version: version, Resource: kind.Resource}
	informer := dynamicinformer.NewFilteredDynamicInformer(c.objects, resource, metav1.NamespaceAll, 0, byNamespace, nil).Informer()
	return (&collection{kind: kind, resource: resource, informer: informer, log: log, counters: counters,
		fetch: func(ctx context.Context, namespace, name string) (any, error) {
			return c.objects.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		}}).decoding()
}

// newMetadataCollection makes a cache of the metadata of objects: the API server does not send the rest.
func newMetadataCollection(c clients, kind validate.Kind, version string, log logr.Logger, counters *counters) (*collection, error) {
	resource := schema.GroupVersionResource{Group: kind.Group, Version: version, Resource: kind.Resource}
	informer := metadatainformer.NewFilteredMetadataInformer(c.metadata, resource, metav1.NamespaceAll, 0, byNamespace, nil).Informer()
	return (&collection{kind: kind, resource: resource, informer: informer, log: log, counters: counters,
		fetch: func(ctx context.Context, namespace, name string) (any, error) {
			return c.metadata.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		}}).decoding()
}

var byNamespace = cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}

func (c *collection) decoding() (*collection, error) {
	if err := c.informer.SetTransform(c.decodeAny); err != nil {
		return nil, fmt.Errorf("cache %s: %w", c.resource.GroupResource(), err)
	}
	return c, nil
}

// decodeAny is the informer's transform. What cannot be decoded stays in the store as it came, so that the informer
// can go on; readers skip it.
func (c *collection) decodeAny(in any) (any, error) {
	object, err := c.decode(in)
	if err == nil {
		if object == nil {
			return in, nil // decoded already: transforms may be called twice
		}
		validate.Slim(object)
		return object, nil
	}
	c.counters.undecodable.WithLabelValues(c.resource.Resource).Inc()
	if known, ok := in.(metav1.Object); ok {
		c.log.Error(err, "an object cannot be read and is left out", "resource", c.resource.Resource, "namespace", known.GetNamespace(), "name", known.GetName())
	}
	return in, nil
}

// decode reads what the API server sent; nil for what it did not.
func (c *collection) decode(in any) (metav1.Object, error) {
	switch o := in.(type) {
	case *unstructured.Unstructured:
		unstructured.RemoveNestedField(o.Object, "metadata", "managedFields") // large, and nobody here reads it
		raw, err := o.MarshalJSON()                                           // because that is what the types' own decoding is written for
		if err != nil {
			return nil, err
		}
		return c.kind.Decode(raw)
	case *metav1.PartialObjectMetadata:
		return o, nil
	}
	return nil, nil
}

// mayBeAbsent lets the cluster be without the kind, or us without the right to list it: the collection is then not known,
// and is filled when that changes.
func (c *collection) mayBeAbsent() error {
	c.optional = true
	return c.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
		if !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
			cache.DefaultWatchErrorHandler(ctx, r, err)
			return
		}
		version := c.informer.LastSyncResourceVersion()
		if before := c.lost.Swap(&version); before == nil {
			c.log.V(1).Info("rules about this kind are silent until it is there, and may be listed", "resource", c.resource.GroupResource().String(), "problem", err.Error())
		}
	})
}

// known tells whether the cache has all objects of its kind.
func (c *collection) known() bool {
	lost := c.lost.Load()
	return c.informer.HasSynced() && (lost == nil || *lost != c.informer.LastSyncResourceVersion())
}

// cached returns one cached object as Kubernetes sees it, or nil.
func (c *collection) cached(namespace, name string) metav1.Object {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	found, ok, err := c.informer.GetStore().GetByKey(key)
	if err != nil || !ok {
		return nil
	}
	return decoded(found)
}

// list returns all that are cached as Kubernetes sees them.
func (c *collection) list() []metav1.Object {
	var objects []metav1.Object
	for _, item := range c.informer.GetStore().List() {
		if object := decoded(item); object != nil {
			objects = append(objects, object)
		}
	}
	return objects
}

// decoded is nil for what could not be.
func decoded(item any) metav1.Object {
	if _, raw := item.(*unstructured.Unstructured); raw {
		return nil
	}
	object, _ := item.(metav1.Object)
	return object
}

// read asks the API server for one object.
func (c *collection) read(ctx context.Context, namespace, name string) (metav1.Object, error) {
	c.counters.live.WithLabelValues(c.resource.Resource).Inc()
	found, err := c.fetch(ctx, namespace, name)
	if err != nil {
		return nil, fmt.Errorf("get %s %s/%s: %w", c.resource.GroupResource(), namespace, name, err)
	}
	object, err := c.decode(found)
	if err != nil {
		return nil, fmt.Errorf("read %s %s/%s: %w", c.resource.GroupResource(), namespace, name, err)
	}
	return object, nil
}
