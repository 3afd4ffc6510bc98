package validate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Judged is an object, and what the rulebook says of it.
type Judged struct {
	// Object that the findings are about.
	Object mesh.ObjectRef
	// Findings are in the order of the rules of its kind.
	Findings []Finding
}

// Survey checks every object of an index as if it were new, with all the others around it: what files or a cluster hold
// when they are looked through. Objects without findings are left out; the others come by kind, namespace and name.
func Survey(index *Index, world World) []Judged {
	world = world.around(index)
	var out []Judged
	for _, ref := range index.refs() {
		kind, ok := named(ref.Kind)
		if !ok || kind.Check == nil {
			continue
		}
		if findings := kind.Check(nil, index.Object(ref), world.in(ref.Namespace)); len(findings) > 0 {
			out = append(out, Judged{ref, findings})
		}
	}
	return out
}

// around completes a world with what a Cluster holds.
func (w World) around(cluster Cluster) World {
	w.Cluster, w.Objects = cluster, clusterObjects{World{Cluster: cluster}}
	w.Meshes = w.Objects.Meshes()
	return w
}

// in gives the world as an object of a namespace sees it.
func (w World) in(namespace string) World {
	if ns := find[corev1.Namespace](w, kindNamespace, everywhere, namespace); ns != nil {
		w.NamespaceLabels = ns.Labels
		if w.NamespaceLabels == nil {
			w.NamespaceLabels = map[string]string{}
		}
	}
	return w
}

// named finds a kind by its name alone: an index has no two kinds of one name.
func named(name string) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(kind Kind) bool { return kind.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// refs lists what is in the index.
func (x *Index) refs() []mesh.ObjectRef {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]mesh.ObjectRef, 0, len(x.objects))
	for ref := range x.objects {
		out = append(out, ref)
	}
	slices.SortFunc(out, mesh.ObjectRef.Compare)
	return out
}
