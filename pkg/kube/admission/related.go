package admission

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// relatives keeps the rulebook's index in step with the caches. It is the cluster as the rulebook sees it.
type relatives struct {
	*validate.Index
	collections map[string]*collection
	// registered tell when the initial objects have gone through the handlers, which is later than in the caches.
	registered map[string]cache.ResourceEventHandlerRegistration
}

func newRelatives(collections map[string]*collection) (*relatives, error) {
	r := &relatives{Index: validate.NewIndex(), collections: collections, registered: map[string]cache.ResourceEventHandlerRegistration{}}
	for kind, collection := range collections {
		handler, err := collection.informer.AddEventHandler(onChange(func(namespace, name string) {
			// Each kind has a goroutine of its own, so what the cache holds now is never older than what the index holds.
			if object := collection.cached(namespace, name); object != nil {
				r.Set(kind, object)
				return
			}
			r.Delete(mesh.ObjectRef{Kind: kind, Namespace: namespace, Name: name})
		}))
		if err != nil {
			return nil, fmt.Errorf("watch objects of kind %s: %w", kind, err)
		}
		r.registered[kind] = handler
	}
	return r, nil
}

// Knows implements validate.Cluster: a kind that was not there may be there now, and the other way round.
func (r *relatives) Knows(kind string) bool {
	collection, kept := r.collections[kind]
	return kept && collection.known() && r.registered[kind].HasSynced()
}

// liveCluster asks the API server for what the index finds, each object once: what is refused for the sake of an object
// is not refused when that object is gone or has changed. What it is not answered it takes from the index. Objects that
// the index has not heard of yet are found by name only.
type liveCluster struct {
	*relatives
	ctx   context.Context
	known map[mesh.ObjectRef]metav1.Object
}

func (r *relatives) live(ctx context.Context) *liveCluster {
	return &liveCluster{relatives: r, ctx: ctx, known: map[mesh.ObjectRef]metav1.Object{}}
}

// Object implements validate.Cluster.
func (l *liveCluster) Object(ref mesh.ObjectRef) metav1.Object {
	if object, ok := l.known[ref]; ok {
		return object
	}
	collection, kept := l.collections[ref.Kind]
	if !kept || len(l.known) == maxLive {
		return l.Index.Object(ref)
	}
	object, err := collection.read(l.ctx, ref.Namespace, ref.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		object = l.Index.Object(ref)
	}
	l.known[ref] = object
	return object
}

// Related implements validate.Cluster.
func (l *liveCluster) Related(to validate.Relation) []metav1.Object {
	var out []metav1.Object
	for _, cached := range l.Index.Related(to) {
		object := l.Object(mesh.ObjectRef{Kind: to.Kind, Namespace: cached.GetNamespace(), Name: cached.GetName()})
		if object != nil && to.Of(object) {
			out = append(out, object)
		}
	}
	return out
}
