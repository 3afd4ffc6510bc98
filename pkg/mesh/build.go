package mesh

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Build turns a snapshot into the model of the mesh, with the problems found on the way, sorted.
func Build(s Snapshot) (*Model, []Problem) {
	b := &builder{index: indexOf(s), names: map[awsName]named{}, servers: map[string]server{}, model: Model{IPv6: s.IPv6, Generations: Generations{}}}
	b.checkMeshes()
	// From where requests end to where they start: each step uses what the steps before it found servable.
	nodes := b.virtualNodes()
	routers := b.virtualRouters(nodes)
	b.virtualServices(nodes, routers)
	b.nodes(nodes)
	b.gateways(nodes)
	b.model.Endpoints = BuildEndpoints(s, &b.model)

	slices.SortFunc(b.problems, Problem.Compare)
	// A conflict is found once per proxy that has it, and told once.
	b.problems = slices.CompactFunc(b.problems, func(a, b Problem) bool { return a.Compare(b) == 0 })
	return &b.model, b.problems
}

// builder holds what the steps of Build share.
type builder struct {
	*index
	// names finds objects by what an ARN says.
	names    map[awsName]named
	model    Model
	problems []Problem
	// servers are what is behind the clusters, by their names.
	servers map[string]server
}

// blocked reports that err's part of the object is not served.
func (b *builder) blocked(object ObjectRef, reason string, err *field.Error) {
	b.problems = append(b.problems, Problem{Object: object, Reason: reason, Err: err, Blocking: true})
}

// awaits reports that err's part of the object is not served until another object appears.
func (b *builder) awaits(object ObjectRef, reason string, err *field.Error) {
	b.problems = append(b.problems, Problem{Object: object, Reason: reason, Err: err, Blocking: true, Transient: true})
}

// remark reports something that keeps nothing from being served.
func (b *builder) remark(object ObjectRef, reason string, err *field.Error) {
	b.problems = append(b.problems, Problem{Object: object, Reason: reason, Err: err})
}

// seniority decides conflicts: the older object wins, so that a new one cannot take what is in use; then the lower name.
type seniority struct {
	created metav1.Time
	ref     ObjectRef
}

func (a seniority) compare(b seniority) int {
	return cmp.Or(a.created.Compare(b.created.Time), a.ref.Compare(b.ref))
}

func seniorityOf(ref ObjectRef, meta *metav1.ObjectMeta) seniority {
	return seniority{created: meta.CreationTimestamp, ref: ref}
}
