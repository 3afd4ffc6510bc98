package validate

import (
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Ledger judges Canaries again and again while the cluster around them changes. It takes down what each judgement asked
// of the cluster, so that a change tells which Canaries it concerns: the work is in proportion to what changed. It may be
// used by many at once, but one Canary is judged by one at a time.
type Ledger struct {
	index scope
	world World

	mu sync.Mutex
	// asked has, by what was asked, the Canaries for whose sake; rests is the other way round.
	asked map[Relation]map[mesh.ObjectRef]bool
	rests map[mesh.ObjectRef]map[Relation]bool
}

// scope is an index of some namespaces, or of all if none is named.
type scope struct {
	*Index
	namespaces []string
}

// holds implements limited.
func (s scope) holds(kind, namespace string) bool {
	return len(s.namespaces) == 0 || slices.Contains(ofCluster, kind) || slices.Contains(s.namespaces, namespace)
}

// NewLedger makes a ledger over an index, in a world that holds the policy of the cluster. The index holds the objects of
// these namespaces only, besides those that are in none; of all if none is named.
func NewLedger(index *Index, world World, namespaces ...string) *Ledger {
	return &Ledger{
		index: scope{index, namespaces}, world: world,
		asked: map[Relation]map[mesh.ObjectRef]bool{}, rests: map[mesh.ObjectRef]map[Relation]bool{},
	}
}

// Set puts an object into the index, and lists the Canaries whose judgement may be another one now.
func (l *Ledger) Set(kind string, object metav1.Object) []mesh.ObjectRef {
	ref := mesh.ObjectRef{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}
	before := l.index.Object(ref)
	l.index.Set(kind, object)
	return l.concerned(ref, before, object)
}

// Delete takes an object out of the index, and lists the Canaries whose judgement may be another one now.
func (l *Ledger) Delete(ref mesh.ObjectRef) []mesh.ObjectRef {
	before := l.index.Object(ref)
	l.index.Delete(ref)
	return l.concerned(ref, before, nil)
}

// concerned finds out who asked for an object, by its name or by a relation that it had or has. A Canary concerns itself,
// judged before or not.
func (l *Ledger) concerned(ref mesh.ObjectRef, forms ...metav1.Object) []mesh.ObjectRef {
	found := map[mesh.ObjectRef]bool{}
	if ref.Kind == kindCanary {
		found[ref] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	add := func(relation Relation) {
		for canary := range l.asked[relation] {
			found[canary] = true
		}
	}
	add(selfOf(ref))
	for _, form := range forms {
		if form == nil {
			continue
		}
		for _, relation := range relations(ref.Kind, form) {
			add(relation)
		}
	}
	out := make([]mesh.ObjectRef, 0, len(found))
	for canary := range found {
		out = append(out, canary)
	}
	slices.SortFunc(out, mesh.ObjectRef.Compare)
	return out
}

// selfOf is the relation of an object to its own name.
func selfOf(ref mesh.ObjectRef) Relation {
	return Relation{Kind: ref.Kind, by: itself, to: key(ref.Namespace, ref.Name)}
}

// witness is the cluster as it is shown to the judgement of one Canary.
type witness struct {
	scope
	ledger *Ledger
	canary mesh.ObjectRef
	asked  map[Relation]bool
}

// note takes down a question before it is answered: a change that comes in between concerns the Canary then.
func (w *witness) note(relation Relation) {
	if w.asked[relation] {
		return
	}
	w.asked[relation] = true
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if w.ledger.asked[relation] == nil {
		w.ledger.asked[relation] = map[mesh.ObjectRef]bool{}
	}
	w.ledger.asked[relation][w.canary] = true
}

// Object implements Cluster.
func (w *witness) Object(ref mesh.ObjectRef) metav1.Object {
	w.note(selfOf(ref))
	return w.Index.Object(ref)
}

// Related implements Cluster.
func (w *witness) Related(to Relation) []metav1.Object {
	w.note(to)
	return w.Index.Related(to)
}

// Judge says what is wrong with a Canary, and with what its release depends on, as far as the Canary itself is not judged
// by the same rule. What would keep a rollout from starting is denied. It is false if there is no such Canary, which is
// forgotten then.
func (l *Ledger) Judge(name mesh.ObjectRef) (judged []Judged, there bool) {
	w := &witness{scope: l.index, ledger: l, canary: name, asked: map[Relation]bool{}}
	canary, there := l.index.Object(name).(*canaryv1beta1.Canary)
	if !there {
		l.settle(name, nil)
		return nil, false
	}
	defer func() { l.settle(name, w.asked) }()
	world := l.world.around(w).in(name.Namespace)
	world.At = RolloutStart
	blockers := Denied(Canary(nil, canary, world))
	world.At = Audit
	own := Canary(nil, canary, world)
	for i, f := range own {
		if slices.Contains(blockers, f.Message) {
			own[i].Severity = Deny
		}
	}
	var out []Judged
	if len(own) > 0 {
		out = append(out, Judged{name, own})
	}
	for _, ref := range dependencies(canary, world) {
		if findings := judgeDependency(ref, world); len(findings) > 0 {
			out = append(out, Judged{ref, findings})
		}
	}
	return out, true
}

// settle drops the questions that were asked before and not now.
func (l *Ledger) settle(canary mesh.ObjectRef, asked map[Relation]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for relation := range l.rests[canary] {
		if asked[relation] {
			continue
		}
		if delete(l.asked[relation], canary); len(l.asked[relation]) == 0 {
			delete(l.asked, relation)
		}
	}
	if len(asked) == 0 {
		delete(l.rests, canary)
		return
	}
	l.rests[canary] = asked
}

// Blockers are the sentences that keep a rollout of a Canary from starting.
func (l *Ledger) Blockers(canary *canaryv1beta1.Canary) []string {
	world := l.world.around(l.index).in(canary.Namespace)
	world.At = RolloutStart
	return Denied(Canary(nil, canary, world))
}

// Knows tells whether an object that is not in the index does not exist.
func (l *Ledger) Knows(kind, namespace string) bool {
	return l.index.Knows(kind) && l.index.holds(kind, namespace)
}

// judgeDependency applies the rules that do not look at Canaries too: those have spoken already. What the control plane
// says is about the object alone.
func judgeDependency(ref mesh.ObjectRef, world World) []Finding {
	kind, known := named(ref.Kind)
	object := world.Cluster.Object(ref)
	if !known || kind.Check == nil || object == nil {
		return nil
	}
	return slices.DeleteFunc(kind.Check(nil, object, world.in(ref.Namespace)), func(f Finding) bool {
		return slices.Contains(byID[f.Rule].Kinds, kindCanary) && !ofControlPlane(f.Rule)
	})
}

// dependencies lists what the release of a Canary depends on, apart from its callers: their mistakes are not its own.
func dependencies(canary *canaryv1beta1.Canary, w World) []mesh.ObjectRef {
	var out []mesh.ObjectRef
	add := func(kind, namespace, name string) {
		if ref := (mesh.ObjectRef{Kind: kind, Namespace: namespace, Name: name}); !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	namespace, target := canary.Namespace, targetOf(canary)
	add(target.kind, namespace, target.name)
	primary := target
	primary.name += "-primary"
	for _, scaled := range []workload{target, primary} {
		for _, hpa := range w.hpasOf(scaled) {
			add(kindHPA, namespace, hpa.Name)
		}
	}
	if ref := canary.Spec.AutoscalerRef; ref != nil {
		add(ref.Kind, namespace, ref.Name)
	}
	for _, ref := range templatesOf(canary) {
		add(kindMetricTemplate, ref.Namespace, ref.Name)
	}
	for _, ref := range alertProvidersOf(canary) {
		add(kindAlertProvider, ref.Namespace, ref.Name)
	}
	if !routed(canary) {
		return out
	}
	if m, _, err := DesignateMesh(namespace, w); err == nil {
		add(kindMesh, everywhere, m.Name)
	}
	for _, name := range servicesOf(canary) {
		add(kindVirtualService, namespace, name)
		add(kindVirtualRouter, namespace, name)
		add(kindVirtualNode, namespace, name)
	}
	if pods, _, known := w.target(namespace, target.kind, target.name); known {
		for _, node := range sharing[appmeshv1beta2.VirtualNode](w, kindVirtualNode, selecting, pairs(namespace, pods.template.Labels)) {
			add(kindVirtualNode, namespace, node.Name)
		}
	}
	for _, route := range related[appmeshv1beta2.GatewayRoute](w, kindGatewayRoute, calls, key(namespace, engine.Apex(canary))) {
		add(kindGatewayRoute, route.Namespace, route.Name)
		if ref := route.Spec.VirtualGatewayRef; ref != nil {
			gateway := route.Namespace
			if ref.Namespace != nil {
				gateway = *ref.Namespace
			}
			add(kindVirtualGateway, gateway, ref.Name)
		}
	}
	return out
}
