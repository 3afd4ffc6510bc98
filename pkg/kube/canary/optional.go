package canary

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// lookForKind is the time between two questions whether the cluster has learned a kind.
const lookForKind = 30 * time.Second

// optionalKinds are kinds that the cluster may not have, and may get while we run. They are watched from the first time
// that a Canary needs them and they are there.
type optionalKinds struct {
	mapper meta.RESTMapper
	watch  func(schema.GroupVersionKind) error

	mu      sync.Mutex
	watched map[schema.GroupVersionKind]bool
	asked   map[schema.GroupVersionKind]time.Time
}

func newOptionalKinds(mapper meta.RESTMapper, watch func(schema.GroupVersionKind) error) *optionalKinds {
	return &optionalKinds{
		mapper: mapper, watch: watch,
		watched: map[schema.GroupVersionKind]bool{}, asked: map[schema.GroupVersionKind]time.Time{},
	}
}

// served tells whether the cluster has a kind, and begins to watch it if so.
func (o *optionalKinds) served(kind schema.GroupVersionKind, now time.Time) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.watched[kind] {
		return true, nil
	}
	if last, ok := o.asked[kind]; ok && now.Sub(last) < lookForKind {
		return false, nil
	}
	o.asked[kind] = now
	switch _, err := o.mapper.RESTMapping(kind.GroupKind(), kind.Version); {
	case meta.IsNoMatchError(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("find out whether the cluster has the kind %s: %w", kind.Kind, err)
	}
	if err := o.watch(kind); err != nil {
		return false, fmt.Errorf("watch %s: %w", kind.Kind, err)
	}
	o.watched[kind] = true
	return true, nil
}
