package mesh

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// What a route can do beyond App Mesh: copy requests, and set cookies. Canaries need both.

// mirror gives the cluster that copies go to. Without the node there are none, and the requests go on as they are.
func (r *routerBuilder) mirror(p ServicePort, d *draft) *Mirror {
	if d.mirror == nil {
		return nil
	}
	path := d.path.Child("action", "mirror")
	percent := int64(100)
	if d.mirror.Percent != nil {
		percent = *d.mirror.Percent
	}
	switch {
	case d.mirror.VirtualNodeRef == nil:
		r.blocked(r.ref, ReasonInvalid, field.Required(path.Child("virtualNodeRef"), "nothing is copied; say where to"))
		return nil
	case percent < 0 || percent > 100:
		r.blocked(r.ref, ReasonInvalid, field.Invalid(path.Child("percent"), percent, "nothing is copied; a percentage is between 0 and 100"))
		return nil
	}
	cluster := r.target(path, p, appmeshv1beta2.WeightedTarget{VirtualNodeRef: d.mirror.VirtualNodeRef})
	if cluster == "" || percent == 0 {
		return nil
	}
	return &Mirror{Cluster: cluster, Percent: uint32(percent)}
}

// cookies are those that the answers of a target set.
func (r *routerBuilder) cookies(d *draft, t appmeshv1beta2.WeightedTarget) []string {
	var out []string
	for _, c := range d.cookies {
		if r.sameNode(c.VirtualNodeRef, t.VirtualNodeRef) && c.Cookie != "" && isHeaderValue(c.Cookie) {
			out = append(out, c.Cookie)
		}
	}
	return out
}

// checkCookies tells of cookies that nobody sets.
func (r *routerBuilder) checkCookies(d *draft) {
	for i, c := range d.cookies {
		path := d.path.Child("action", "setCookies").Index(i)
		if c.Cookie == "" || !isHeaderValue(c.Cookie) {
			r.blocked(r.ref, ReasonInvalid, field.Invalid(path.Child("cookie"), c.Cookie, "this cannot be a header; write name=value, and attributes behind semicolons"))
		}
		if !slices.ContainsFunc(d.targets, func(t appmeshv1beta2.WeightedTarget) bool { return r.sameNode(c.VirtualNodeRef, t.VirtualNodeRef) }) {
			name := ""
			if c.VirtualNodeRef != nil {
				name = c.VirtualNodeRef.Name
			}
			r.remark(r.ref, ReasonInvalid, field.Invalid(path.Child("virtualNodeRef"), name,
				fmt.Sprintf("no weighted target of route %q is this virtual node, so nobody sets the cookie; name one", d.name)))
		}
	}
}

func (r *routerBuilder) sameNode(a, b *appmeshv1beta2.VirtualNodeReference) bool {
	if a == nil || b == nil {
		return false
	}
	in := func(n *appmeshv1beta2.VirtualNodeReference) string {
		if n.Namespace != nil {
			return *n.Namespace
		}
		return r.ref.Namespace
	}
	return a.Name == b.Name && in(a) == in(b)
}
