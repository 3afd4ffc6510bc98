package inject

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Candidate is a virtual node or gateway with its podSelector.
type Candidate struct {
	Target
	// Selector is spec.podSelector: nil selects no pod, an empty selector every pod of the namespace.
	Selector *metav1.LabelSelector
}

// Index finds what selects a pod, at a cost that does not grow with the number of virtual nodes: a selector is filed
// under one label that it requires, so that a lookup opens one drawer per label of the pod and the selectors
// that require no label. The zero Index is empty and ready; it is safe for concurrent use.
type Index struct {
	mu sync.RWMutex
	// entries has every candidate that selects something, by kind, namespace and name.
	entries map[entryKey]*entry
	// drawers hold the candidates of one kind and namespace that require one label; pair is "" for the rest.
	drawers map[drawerKey][]*entry
}

type entryKey struct {
	kind            Kind
	namespace, name string
}

type drawerKey struct {
	kind      Kind
	namespace string
	pair      string // key=value
}

type entry struct {
	target   Target
	selector labels.Selector
	drawer   drawerKey
}

// Set adds the candidate or replaces what was known of it. An error means that its selector cannot be read:
// that candidate alone selects nothing, all others go on.
func (x *Index) Set(c Candidate) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(entryKey{c.Kind, c.Namespace, c.Name})
	if c.Selector == nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(c.Selector)
	if err != nil {
		return fmt.Errorf("read the podSelector of %s %s/%s: %w", c.Kind, c.Namespace, c.Name, err)
	}
	if x.entries == nil {
		x.entries, x.drawers = map[entryKey]*entry{}, map[drawerKey][]*entry{}
	}
	e := &entry{target: c.Target, selector: selector, drawer: x.drawerFor(c)}
	x.entries[entryKey{c.Kind, c.Namespace, c.Name}] = e
	x.drawers[e.drawer] = append(x.drawers[e.drawer], e)
	return nil
}

// Delete forgets a candidate; one that is not known is no error.
func (x *Index) Delete(kind Kind, namespace, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(entryKey{kind, namespace, name})
}

// Match returns the candidates of one kind that select a pod with these labels, sorted by name.
func (x *Index) Match(kind Kind, namespace string, podLabels map[string]string) []Target {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found []Target
	open := func(pair string) {
		for _, e := range x.drawers[drawerKey{kind, namespace, pair}] {
			if e.selector.Matches(labels.Set(podLabels)) {
				found = append(found, e.target)
			}
		}
	}
	open("")
	for k, v := range podLabels {
		open(k + "=" + v)
	}
	// Map order and arrival order must not show: a message that lists the names has to be the same every time.
	slices.SortFunc(found, func(a, b Target) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// drawerFor chooses the emptiest of the drawers that the selector allows, because labels such as "team" are
// shared by many virtual nodes and labels such as "app" by few. Any choice gives the same answers.
func (x *Index) drawerFor(c Candidate) drawerKey {
	best := drawerKey{c.Kind, c.Namespace, ""}
	keys := make([]string, 0, len(c.Selector.MatchLabels))
	for k := range c.Selector.MatchLabels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		d := drawerKey{c.Kind, c.Namespace, k + "=" + c.Selector.MatchLabels[k]}
		if best.pair == "" || len(x.drawers[d]) < len(x.drawers[best]) {
			best = d
		}
	}
	return best
}

func (x *Index) remove(key entryKey) {
	e, ok := x.entries[key]
	if !ok {
		return
	}
	delete(x.entries, key)
	rest := slices.DeleteFunc(x.drawers[e.drawer], func(o *entry) bool { return o == e })
	if len(rest) == 0 {
		delete(x.drawers, e.drawer)
		return
	}
	x.drawers[e.drawer] = rest
}
