package audit

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// watch is the source of one kind. It tells when all objects that were there at the beginning are in the index.
type watch struct {
	source.SyncingSource
	audit  *Audit
	kind   watched
	absent bool
	synced chan struct{}
	once   sync.Once
}

func (a *Audit) watchOf(kind watched) *watch {
	return &watch{
		SyncingSource: source.Kind(a.mgr.GetCache(), kind.form(), handler.EventHandler(handler.Funcs{
			CreateFunc: func(_ context.Context, e event.CreateEvent, _ queue) { a.set(kind.Kind, e.Object) },
			UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ queue) {
				if !kind.same(e.ObjectOld, e.ObjectNew) {
					a.set(kind.Kind, e.ObjectNew)
				}
			},
			DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ queue) { a.delete(kind.Kind, e.Object) },
		})),
		audit: a, kind: kind, synced: make(chan struct{}),
	}
}

// Start begins to watch, unless the cluster does not have the kind.
func (w *watch) Start(ctx context.Context, q queue) error {
	if w.kind.optional {
		_, err := w.audit.mgr.GetRESTMapper().RESTMapping(w.kind.GroupKind(), w.kind.Version)
		if w.absent = meta.IsNoMatchError(err); w.absent {
			w.audit.mu.Lock()
			defer w.audit.mu.Unlock()
			w.audit.absent[w.kind.GroupVersionKind] = w.kind
			return nil
		}
		if err != nil {
			return fmt.Errorf("find out whether the cluster has the kind %s: %w", w.kind.Kind, err)
		}
	}
	return w.SyncingSource.Start(ctx, q)
}

// WaitForSync waits for the objects that were there at the beginning.
func (w *watch) WaitForSync(ctx context.Context) error {
	if !w.absent {
		if err := w.SyncingSource.WaitForSync(ctx); err != nil {
			return err
		}
	}
	w.once.Do(func() { close(w.synced) })
	return nil
}

// Appeared begins to watch a kind that the cluster did not have before.
func (a *Audit) Appeared(kind schema.GroupVersionKind) error {
	a.mu.Lock()
	absent, ok := a.absent[kind]
	delete(a.absent, kind)
	a.mu.Unlock()
	if !ok {
		return nil
	}
	return a.ctl.Watch(a.watchOf(absent))
}

// Filled is a source without events, by which another controller waits until the index is filled.
func (a *Audit) Filled() source.SyncingSource { return filled{a} }

type filled struct{ *Audit }

func (filled) Start(context.Context, queue) error { return nil }

func (f filled) WaitForSync(ctx context.Context) error {
	for _, w := range f.watches {
		select {
		case <-w.synced:
		case <-ctx.Done():
			return fmt.Errorf("the rulebook waits for the first list of %s: %w", w.kind.Kind, ctx.Err())
		}
	}
	return nil
}
