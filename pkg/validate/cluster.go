package validate

import (
	"cmp"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Cluster finds the objects that rules relate to each other. Its answers cost what they hold, however large the cluster.
type Cluster interface {
	// Knows tells whether all objects of a kind are known, so that one that is not found does not exist.
	Knows(kind string) bool
	// Object finds an object; nil when it is not there, or not known.
	Object(ref mesh.ObjectRef) metav1.Object
	// Related lists the objects that have a relation, by namespace and name.
	Related(to Relation) []metav1.Object
}

// Relation says how the objects that are looked for are bound to something: Canaries to the workload that they release,
// autoscalers to the workload that they scale, and so on. relations says which objects have which.
type Relation struct {
	// Kind of the objects that are looked for.
	Kind string
	// by and to are the bond and what is at its other end.
	by bond
	to string
}

// Index is a Cluster in memory. It is kept up to date by whoever watches, or filled once by whoever reads files. It may
// be used by many at once; the objects in it are shared, and nobody may change them.
type Index struct {
	mu      sync.RWMutex
	known   map[string]bool
	objects map[mesh.ObjectRef]metav1.Object
	related map[Relation]map[mesh.ObjectRef]metav1.Object
}

// NewIndex makes an empty index of all objects of these kinds.
func NewIndex(known ...string) *Index {
	x := &Index{
		known:   map[string]bool{},
		objects: map[mesh.ObjectRef]metav1.Object{},
		related: map[Relation]map[mesh.ObjectRef]metav1.Object{},
	}
	for _, kind := range known {
		x.known[kind] = true
	}
	return x
}

// Set puts an object into the index, in place of an older form of it.
func (x *Index) Set(kind string, object metav1.Object) {
	ref := mesh.ObjectRef{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(ref)
	x.objects[ref] = object
	for _, relation := range relations(kind, object) {
		if x.related[relation] == nil {
			x.related[relation] = map[mesh.ObjectRef]metav1.Object{}
		}
		x.related[relation][ref] = object
	}
}

// Delete takes an object out of the index.
func (x *Index) Delete(ref mesh.ObjectRef) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(ref)
}

func (x *Index) remove(ref mesh.ObjectRef) {
	object, ok := x.objects[ref]
	if !ok {
		return
	}
	delete(x.objects, ref)
	for _, relation := range relations(ref.Kind, object) {
		if delete(x.related[relation], ref); len(x.related[relation]) == 0 {
			delete(x.related, relation)
		}
	}
}

// Knows implements Cluster.
func (x *Index) Knows(kind string) bool { return x.known[kind] }

// Object implements Cluster.
func (x *Index) Object(ref mesh.ObjectRef) metav1.Object {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.objects[ref]
}

// Related implements Cluster.
func (x *Index) Related(to Relation) []metav1.Object {
	x.mu.RLock()
	defer x.mu.RUnlock()
	found := make([]metav1.Object, 0, len(x.related[to]))
	for _, object := range x.related[to] {
		found = append(found, object)
	}
	slices.SortFunc(found, func(a, b metav1.Object) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return found
}

// Of tells whether an object of the relation's kind has the relation.
func (r Relation) Of(object metav1.Object) bool {
	return slices.Contains(relations(r.Kind, object), r)
}
