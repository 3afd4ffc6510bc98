package admission

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

// typed is a collection whose objects are values of T, for who looks at lists of them.
type typed[T any] struct {
	*collection
	client dynamic.Interface
}

// all returns what is cached of the whole cluster.
func (c *typed[T]) all() []*T { return as[T](c.informer.GetStore().List()) }

// get returns one cached object, or nil.
func (c *typed[T]) get(namespace, name string) *T {
	object, _ := any(c.cached(namespace, name)).(*T)
	return object
}

func as[T any](found []any) []*T {
	objects := make([]*T, 0, len(found))
	for _, item := range found {
		if object, ok := item.(*T); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// live asks the API server; an empty namespace means all of them.
func (c *typed[T]) live(ctx context.Context, namespace string) ([]*T, error) {
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
