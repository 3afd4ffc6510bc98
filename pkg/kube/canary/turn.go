package canary

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// turns keeps the number of rollouts within a limit. The state is in the Canaries; this knows whom to wake.
type turns struct {
	limit int
	// deciding is held from the look at all Canaries until the decision is written, so that no two take one place.
	deciding sync.Mutex

	mu      sync.Mutex
	running map[types.NamespacedName]bool
	queued  map[types.NamespacedName]bool
}

func newTurns(limit int) *turns {
	return &turns{limit: limit, running: map[types.NamespacedName]bool{}, queued: map[types.NamespacedName]bool{}}
}

// decide keeps others from deciding about a start, until the function that it returns is called; more than once is fine.
func (t *turns) decide(c *canaryv1beta1.Canary) (done func()) {
	if t.limit == 0 || !canary.MayStart(c) {
		return func() {}
	}
	t.deciding.Lock()
	return sync.OnceFunc(t.deciding.Unlock)
}

// note takes down what a Canary does now, and returns whom a place became free for. Nil is a Canary that is no more.
func (t *turns) note(key types.NamespacedName, c *canaryv1beta1.Canary) (wake []types.NamespacedName) {
	if t.limit == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.running[key] || t.queued[key]
	delete(t.running, key)
	delete(t.queued, key)
	switch {
	case c == nil:
	case canary.IsRollingOut(c):
		t.running[key] = true
		return nil
	case canary.IsQueued(c):
		t.queued[key] = true
		return nil
	}
	if was {
		for other := range t.queued {
			wake = append(wake, other)
		}
	}
	return wake
}

// seeTurn finds the Canary's place among those that want to roll out.
func (s *shell) seeTurn(ctx context.Context, v *view) error {
	if s.turns.limit == 0 || !canary.MayStart(v.canary) {
		return nil
	}
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kindCanary)
	if err := s.store.client.List(ctx, &list); err != nil {
		return fmt.Errorf("list all Canaries: %w", err)
	}
	all := make([]*canaryv1beta1.Canary, 0, len(list.Items))
	for i := range list.Items {
		// What we have just written counts, whether the watch has told yet or not.
		u := s.store.newer(objectOf(&list.Items[i]), &list.Items[i])
		if c, err := s.decoded.canaries.of(u); err == nil {
			all = append(all, c)
		}
	}
	v.obs.Turn = canary.TurnOf(v.canary, all, s.turns.limit)
	return nil
}

// noteTurn wakes those for whom a place became free.
func (s *shell) noteTurn(key types.NamespacedName, c *canaryv1beta1.Canary) {
	for _, other := range s.turns.note(key, c) {
		s.wake(other)
	}
}
