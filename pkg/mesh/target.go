package mesh

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// targets resolves the weighted targets. One that is not there loses its share to the others: if a canary is deleted,
// its callers are better served by the primary than by nobody.
func (r *routerBuilder) targets(p ServicePort, d *draft) []Target {
	var targets []Target
	sum := uint64(0)
	for i, t := range d.targets {
		path := d.path.Child("action", "weightedTargets").Index(i)
		cluster := r.target(path, p, t)
		if cluster == "" {
			continue
		}
		if t.Weight < 0 || t.Weight > maxWeight {
			r.blocked(r.ref, ReasonInvalid, field.Invalid(path.Child("weight"), t.Weight, "a weight is between 0 and 100"))
			continue
		}
		targets = append(targets, Target{Cluster: cluster, Weight: uint32(t.Weight), SetCookies: r.cookies(d, t)})
		sum += uint64(t.Weight)
	}
	// Where no target is there at all, each was told of already.
	if sum == 0 && (len(targets) > 0 || len(d.targets) == 0) {
		r.blocked(r.ref, ReasonNoWeight, field.Invalid(d.path.Child("action", "weightedTargets"), field.OmitValueType{},
			"no target has a weight, so callers get 503; give one a weight above 0"))
	}
	r.checkCookies(d)
	return targets
}

// maxWeight is far above App Mesh's 100: weights are relative, so a larger one harms nobody, and ten of these cannot
// overflow the sum that Envoy computes in 32 bits.
const maxWeight = 1_000_000

// target gives the cluster of a weighted target, or "" after telling why there is none.
func (r *routerBuilder) target(path *field.Path, p ServicePort, t appmeshv1beta2.WeightedTarget) string {
	ref, named, ok := r.resolve(reference{
		by: r.ref, path: path, kind: KindVirtualNode, ref: (*kubernetesReference)(t.VirtualNodeRef), arn: t.VirtualNodeARN,
	})
	if !ok {
		return ""
	}
	node, ok := r.node(r.nodes, nodeUse{by: r.ref, mesh: r.mesh, path: named}, ref)
	if !ok {
		return ""
	}
	l := pickListener(node.listeners, p, value(t.Port))
	switch {
	case l == nil && value(t.Port) != 0:
		r.awaits(r.ref, ReasonNoListener, field.Invalid(path.Child("port"), *t.Port, fmt.Sprintf("%s has no listener on this port", ref)))
	case l == nil:
		r.awaits(r.ref, ReasonNoListener, field.Invalid(named, ref.Name, fmt.Sprintf(
			"%s has %d listeners and none on port %d; give the target a port", ref, len(node.listeners), p.Port)))
	case l.cluster == "":
		r.awaits(r.ref, ReasonNodeNotFound, field.Invalid(named, ref.Name, fmt.Sprintf(
			"%s cannot be found by its callers; see its conditions", ref)))
	default:
		return l.cluster
	}
	return ""
}

// pickListener chooses the listener that traffic of a port goes to: the one on the port that is asked for, else the one
// on the same port, else the only one.
func pickListener(listeners []listener, p ServicePort, asked int64) *listener {
	want := int64(p.Port)
	if asked != 0 {
		want = asked
	}
	for i := range listeners {
		if int64(listeners[i].port) == want {
			return &listeners[i]
		}
	}
	if asked == 0 && len(listeners) == 1 {
		return &listeners[0]
	}
	return nil
}

// nodeUse is who names a virtual node, and where.
type nodeUse struct {
	by   ObjectRef
	mesh *appmeshv1beta2.Mesh
	path *field.Path
}

// node gives a virtual node of the same mesh, or tells why there is none.
func (b *builder) node(nodes members, use nodeUse, ref ObjectRef) (*member, bool) {
	node := nodes[ref]
	if node == nil {
		b.awaits(use.by, ReasonNodeNotFound, missing(use.path, ref, "create it, see its conditions, or name another"))
		return nil, false
	}
	if node.mesh != use.mesh {
		b.blocked(use.by, ReasonOtherMesh, field.Invalid(use.path, ref.Name,
			fmt.Sprintf("%s belongs to mesh %q, not to %q", ref, node.mesh.Name, use.mesh.Name)))
		return nil, false
	}
	return node, true
}
