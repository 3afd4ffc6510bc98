package validate

import (
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var backendGroupRules = []bound[appmeshv1beta2.BackendGroup]{
	{"AM001", groupImmutable},
}

// BackendGroup checks a BackendGroup; old is nil when it is new.
func BackendGroup(old, new *appmeshv1beta2.BackendGroup, world World) []Finding {
	return evaluate(backendGroupRules, change[appmeshv1beta2.BackendGroup]{old: old, new: new, world: world})
}

func groupImmutable(c change[appmeshv1beta2.BackendGroup]) []problem {
	if c.old == nil {
		return nil
	}
	f := fixed{kind: appmeshv1beta2.KindBackendGroup}
	f.meshRef(c.old.Spec.MeshRef, c.new.Spec.MeshRef)
	return f.problems()
}
