package validate

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Removal checks the deletion of a Mesh or a VirtualGateway: while objects belong to it, their proxies would lose what
// they are configured by (AM018). App Mesh held such a deletion by a finalizer; we refuse it: docs/adr/0019.
func Removal(object mesh.ObjectRef, s mesh.Snapshot, policy Policy) []Finding {
	members := mesh.MembersOf(object, s)
	if len(members) == 0 {
		return nil
	}
	p := problem{field.NewPath("metadata", "deletionTimestamp"), Deny, members.Pending(object) + " (" + members.Named() + ")"}
	return policy.apply(nil, []Finding{p.finding("AM018")})
}
