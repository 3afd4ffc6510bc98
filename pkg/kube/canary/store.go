package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// writtenFor is how long a write of ours counts for more than the cache. A cache that is further behind than this has
// lost its watch, and then the optimistic lock of the status is what protects us.
const writtenFor = 30 * time.Second

// object names one object of the cluster.
type object struct {
	schema.GroupVersionKind
	types.NamespacedName
}

func (o object) String() string { return o.Kind + " " + o.NamespacedName.String() }

// store reads from the watch caches, but never an older version of an object than this process itself has written.
// Without that, the pass after a write would often see the world from before it, and write the past again.
// Objects that it returns are shared with the cache: do not change them.
type store struct {
	client client.Client

	mu      sync.Mutex
	written map[object]writtenObject
}

type writtenObject struct {
	*unstructured.Unstructured
	at time.Time
}

func newStore(c client.Client) *store {
	return &store{client: c, written: map[object]writtenObject{}}
}

// get returns nil for what does not exist.
func (s *store) get(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	cached := &unstructured.Unstructured{}
	cached.SetGroupVersionKind(o.GroupVersionKind)
	err := s.client.Get(ctx, o.NamespacedName, cached)
	switch {
	case apierrors.IsNotFound(err):
		cached = nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", o, err)
	}
	return s.newer(o, cached), nil
}

// newer returns what we wrote if the cache has not caught up with it.
func (s *store) newer(o object, cached *unstructured.Unstructured) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	ours, ok := s.written[o]
	if !ok {
		return cached
	}
	behind := cached == nil
	if cached != nil {
		order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), ours.GetResourceVersion())
		behind = err == nil && order < 0
	}
	if behind && time.Since(ours.at) < writtenFor {
		return ours.Unstructured
	}
	delete(s.written, o)
	return cached
}

// gone drops what we wrote of an object that the watch reports as deleted.
func (s *store) gone(o object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, o)
}

func (s *store) wrote(o object, u *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[o] = writtenObject{u, time.Now()}
}

// create creates an object and returns it as the API server keeps it.
func (s *store) create(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	o := objectOf(u)
	u = u.DeepCopy()
	if err := s.client.Create(ctx, u, client.FieldOwner(sluice.ManagedBy)); err != nil {
		return nil, fmt.Errorf("create %s: %w", o, err)
	}
	s.wrote(o, u)
	return u, nil
}

// patch merges body into an object: exactly those fields change, null removes one.
func (s *store) patch(ctx context.Context, o object, body map[string]any) (*unstructured.Unstructured, error) {
	return s.merge(ctx, o, body, func(u client.Object, p client.Patch) error {
		return s.client.Patch(ctx, u, p, client.FieldOwner(sluice.ManagedBy))
	})
}

// patchStatus merges body into an object through its status subresource.
func (s *store) patchStatus(ctx context.Context, o object, body map[string]any) (*unstructured.Unstructured, error) {
	return s.merge(ctx, o, body, func(u client.Object, p client.Patch) error {
		return s.client.Status().Patch(ctx, u, p, client.FieldOwner(sluice.ManagedBy))
	})
}

func (s *store) merge(_ context.Context, o object, body map[string]any, send func(client.Object, client.Patch) error) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the patch of %s: %w", o, err)
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(o.GroupVersionKind)
	u.SetNamespace(o.Namespace)
	u.SetName(o.Name)
	if err := send(u, client.RawPatch(types.MergePatchType, data)); err != nil {
		return nil, fmt.Errorf("patch %s: %w", o, err)
	}
	s.wrote(o, u)
	return u, nil
}

func objectOf(u *unstructured.Unstructured) object {
	return object{u.GroupVersionKind(), types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}}
}
