package mesh

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// reasonUndecodable is the condition's reason of an object that does not fit its type.
const reasonUndecodable = "Undecodable"

// build is what one build of the model saw and found. It never changes.
type build struct {
	snapshot mesh.Snapshot
	problems []mesh.Problem
	broken   []*undecodable
}

// report is what one build found, as far as it is to be written back. It never changes, and it is pure.
type report struct {
	conditions []mesh.Condition
	// built are the objects that the conditions are about, as the build saw them.
	built map[mesh.ObjectRef]identity
	// lasting are the objects with a problem that does not go away when another object appears: these get an event.
	lasting map[mesh.ObjectRef]bool
	// namespaces need ConfigMap sluice-proxy.
	namespaces []string
}

// identity is one generation of one object.
type identity struct {
	uid        types.UID
	generation int64
}

// newReport reports a build, and the problems that others have with it: proxies that refuse it, what App Mesh left.
func newReport(b build, others []mesh.Problem) *report {
	s, broken := b.snapshot, b.broken
	problems := slices.Concat(b.problems, others)
	r := &report{
		conditions: mesh.Conditions(s, problems),
		built:      map[mesh.ObjectRef]identity{}, lasting: map[mesh.ObjectRef]bool{},
		namespaces: ProxyNamespaces(s),
	}
	for kind, objects := range objectsByKind(s) {
		for _, o := range objects {
			r.built[mesh.ObjectRef{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}] = identity{o.GetUID(), o.GetGeneration()}
		}
	}
	for _, p := range problems {
		if !p.Transient {
			r.lasting[p.Object] = true
		}
	}
	for _, o := range broken {
		ref := mesh.ObjectRef{Kind: o.kind, Namespace: o.Namespace, Name: o.Name}
		r.built[ref] = identity{o.UID, o.Generation}
		r.lasting[ref] = true
		r.conditions = append(r.conditions, mesh.Condition{
			Object: ref, Type: o.kind + "Active", Reason: reasonUndecodable, Message: o.err.Error(),
		})
	}
	return r
}

// changes compares the report with what the objects' status says now. An object that moved on since the build is left
// to the next report, or its new generation would get the verdict on the old one.
func (r *report) changes(now func(mesh.ObjectRef) (objectStatus, bool)) []change {
	var out []change
	for _, c := range r.conditions {
		have, exists := now(c.Object)
		if !exists || !have.hasStatus || have.identity != r.built[c.Object] {
			continue
		}
		want := condition{
			kind: c.Type, status: metav1.ConditionFalse, reason: c.Reason, message: c.Message, generation: have.generation,
		}
		if c.Active {
			want.status = metav1.ConditionTrue
		}
		if have.condition(c.Type) != want {
			out = append(out, change{ObjectRef: c.Object, have: have, want: want, lasting: r.lasting[c.Object]})
		}
	}
	slices.SortFunc(out, func(a, b change) int { return a.Compare(b.ObjectRef) })
	return out
}

func objectsByKind(s mesh.Snapshot) map[string][]metav1.Object {
	return map[string][]metav1.Object{
		"Mesh":           objects(s.Meshes),
		"VirtualNode":    objects(s.VirtualNodes),
		"VirtualService": objects(s.VirtualServices),
		"VirtualRouter":  objects(s.VirtualRouters),
		"VirtualGateway": objects(s.VirtualGateways),
		"GatewayRoute":   objects(s.GatewayRoutes),
		"BackendGroup":   objects(s.BackendGroups),
	}
}

func objects[T metav1.Object](in []T) []metav1.Object {
	out := make([]metav1.Object, 0, len(in))
	for _, o := range in {
		out = append(out, o)
	}
	return out
}

// sortedKeys returns the keys of a set in order.
func sortedKeys[K cmp.Ordered](set map[K]bool) []K {
	out := make([]K, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
