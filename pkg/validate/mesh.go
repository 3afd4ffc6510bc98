package validate

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var meshRules = append([]bound[appmeshv1beta2.Mesh]{
	{"AM001", meshImmutable},
	{"AM002", meshIPPreference},
}, servedBy[appmeshv1beta2.Mesh]()...)

// Mesh checks a Mesh; old is nil when it is new.
func Mesh(old, new *appmeshv1beta2.Mesh, world World) []Finding {
	return evaluate(meshRules, change[appmeshv1beta2.Mesh]{old: old, new: new, world: world})
}

func meshImmutable(c change[appmeshv1beta2.Mesh]) []problem {
	if c.old == nil {
		return nil
	}
	f := fixed{kind: appmeshv1beta2.KindMesh}
	f.awsName(c.old.Spec.AWSName, c.new.Spec.AWSName, c.new.Name)
	return f.problems()
}

func meshIPPreference(c change[appmeshv1beta2.Mesh]) []problem {
	discovery := c.new.Spec.MeshServiceDiscovery
	if discovery == nil || discovery.IPPreference == nil {
		return nil
	}
	switch *discovery.IPPreference {
	case appmeshv1beta2.IPPreferenceIPv4Only, appmeshv1beta2.IPPreferenceIPv6Only:
		return nil
	}
	return []problem{{
		field.NewPath("spec", "meshServiceDiscovery", "ipPreference"), Deny,
		"Only non-empty values allowed are IPv4_ONLY or IPv6_ONLY",
	}}
}
