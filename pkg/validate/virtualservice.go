package validate

import (
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var virtualServiceRules = append([]bound[appmeshv1beta2.VirtualService]{
	{"AM001", serviceImmutable},
	{"SL048", leftToRollout[appmeshv1beta2.VirtualService]},
}, servedBy[appmeshv1beta2.VirtualService]()...)

// VirtualService checks a VirtualService; old is nil when it is new.
func VirtualService(old, new *appmeshv1beta2.VirtualService, world World) []Finding {
	return evaluate(virtualServiceRules, change[appmeshv1beta2.VirtualService]{old: old, new: new, world: world})
}

func serviceImmutable(c change[appmeshv1beta2.VirtualService]) []problem {
	if c.old == nil {
		return nil
	}
	f := fixed{kind: appmeshv1beta2.KindVirtualService}
	f.awsName(c.old.Spec.AWSName, c.new.Spec.AWSName, dotted(c.new.Name, c.new.Namespace))
	f.meshRef(c.old.Spec.MeshRef, c.new.Spec.MeshRef)
	return f.problems()
}
