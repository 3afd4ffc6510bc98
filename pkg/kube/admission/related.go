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

// relatives keeps the rulebook's index in step with the caches.
type relatives struct {
	index   *validate.Index
	readers map[string]reader
	// registered tell when the initial objects have gone through the handlers, which is later than in the caches.
	registered map[string]cache.ResourceEventHandlerRegistration
}

// related is a cache whose objects the rulebook relates to each other.
type related interface {
	reader
	watch(cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error)
}

func (c *collection[T]) watch(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return c.informer.AddEventHandler(handler)
}

func newRelatives(caches *caches) (*relatives, error) {
	collections := map[string]related{
		"Canary": caches.canaries, "HorizontalPodAutoscaler": caches.hpas,
		mesh.KindMesh: caches.meshes, mesh.KindVirtualNode: caches.nodes, mesh.KindVirtualService: caches.services,
		mesh.KindVirtualRouter: caches.routers, mesh.KindVirtualGateway: caches.gateways,
		mesh.KindGatewayRoute: caches.routes, mesh.KindBackendGroup: caches.groups,
	}
	r := &relatives{index: validate.NewIndex(), // what is missing is told when a rollout starts
		readers: map[string]reader{}, registered: map[string]cache.ResourceEventHandlerRegistration{}}
	for kind, collection := range collections {
		handler, err := collection.watch(onChange(func(namespace, name string) {
			// Each kind has a goroutine of its own, so what the cache holds now is never older than what the index holds.
			if object := collection.cached(namespace, name); object != nil {
				r.index.Set(kind, object)
				return
			}
			r.index.Delete(mesh.ObjectRef{Kind: kind, Namespace: namespace, Name: name})
		}))
		if err != nil {
			return nil, fmt.Errorf("watch objects of kind %s: %w", kind, err)
		}
		r.readers[kind], r.registered[kind] = collection, handler
	}
	return r, nil
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

// Knows implements validate.Cluster.
func (l *liveCluster) Knows(kind string) bool { return l.index.Knows(kind) }

// Object implements validate.Cluster.
func (l *liveCluster) Object(ref mesh.ObjectRef) metav1.Object {
	if object, ok := l.known[ref]; ok {
		return object
	}
	reader, ok := l.readers[ref.Kind]
	if !ok || len(l.known) == maxLive {
		return l.index.Object(ref)
	}
	object, err := reader.read(l.ctx, ref.Namespace, ref.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		object = l.index.Object(ref)
	}
	l.known[ref] = object
	return object
}

// Related implements validate.Cluster.
func (l *liveCluster) Related(to validate.Relation) []metav1.Object {
	var out []metav1.Object
	for _, cached := range l.index.Related(to) {
		object := l.Object(mesh.ObjectRef{Kind: to.Kind, Namespace: cached.GetNamespace(), Name: cached.GetName()})
		if object != nil && to.Of(object) {
			out = append(out, object)
		}
	}
	return out
}
