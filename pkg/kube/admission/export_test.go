package admission

import "github.com/sluice-mesh/sluice/pkg/mesh"

// Indexed is the version of an object that the rules know of; empty for none. Tests wait for it, because what was written a
// moment ago is on its way.
func (a *Admission) Indexed(ref mesh.ObjectRef) string {
	object := a.caches.relatives.Object(ref)
	if object == nil {
		return ""
	}
	return object.GetResourceVersion()
}

// Knows tells whether the rules know all objects of a kind.
func (a *Admission) Knows(kind string) bool { return a.caches.relatives.Knows(kind) }
