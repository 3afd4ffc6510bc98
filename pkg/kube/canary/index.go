package canary

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// index knows which Canaries look at an object of a given name, whatever its kind: an event about it makes them look
// again. One look too many costs no request, so the kind is not worth telling apart.
type index struct {
	mu    sync.Mutex
	names map[types.NamespacedName][]types.NamespacedName // Canary -> names it looks at
	users map[types.NamespacedName][]types.NamespacedName // name -> Canaries that look at it
}

func newIndex() *index {
	return &index{
		names: map[types.NamespacedName][]types.NamespacedName{},
		users: map[types.NamespacedName][]types.NamespacedName{},
	}
}

// set replaces the names that a Canary looks at in its own namespace, and in others.
func (x *index) set(canary types.NamespacedName, names []string, elsewhere ...types.NamespacedName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(canary)
	for _, name := range names {
		elsewhere = append(elsewhere, types.NamespacedName{Namespace: canary.Namespace, Name: name})
	}
	for _, n := range elsewhere {
		if !slices.Contains(x.names[canary], n) {
			x.names[canary] = append(x.names[canary], n)
			x.users[n] = append(x.users[n], canary)
		}
	}
}

// remove forgets a Canary.
func (x *index) remove(canary types.NamespacedName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(canary)
}

func (x *index) drop(canary types.NamespacedName) {
	for _, n := range x.names[canary] {
		x.users[n] = slices.DeleteFunc(x.users[n], func(u types.NamespacedName) bool { return u == canary })
		if len(x.users[n]) == 0 {
			delete(x.users, n)
		}
	}
	delete(x.names, canary)
}

// of returns the Canaries that look at a name.
func (x *index) of(name types.NamespacedName) []types.NamespacedName {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.users[name])
}
