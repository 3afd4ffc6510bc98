package validate

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var virtualGatewayRules = append([]bound[appmeshv1beta2.VirtualGateway]{
	{"AM001", gatewayImmutable},
	{"AM005", gatewayPools},
}, servedBy[appmeshv1beta2.VirtualGateway]()...)

// VirtualGateway checks a VirtualGateway; old is nil when it is new.
func VirtualGateway(old, new *appmeshv1beta2.VirtualGateway, world World) []Finding {
	return evaluate(virtualGatewayRules, change[appmeshv1beta2.VirtualGateway]{old: old, new: new, world: world})
}

func gatewayImmutable(c change[appmeshv1beta2.VirtualGateway]) []problem {
	if c.old == nil {
		return nil
	}
	f := fixed{kind: appmeshv1beta2.KindVirtualGateway}
	f.awsName(c.old.Spec.AWSName, c.new.Spec.AWSName, underscored(c.new.Name, c.new.Namespace))
	f.meshRef(c.old.Spec.MeshRef, c.new.Spec.MeshRef)
	return f.problems()
}

func gatewayPools(c change[appmeshv1beta2.VirtualGateway]) []problem {
	var problems []problem
	for i, listener := range c.new.Spec.Listeners {
		pool := listener.ConnectionPool
		if pool != nil && count(pool.HTTP != nil, pool.HTTP2 != nil, pool.GRPC != nil) > 1 {
			problems = append(problems, problem{
				field.NewPath("spec", "listeners").Index(i).Child("connectionPool"), Deny,
				"Only one type of Virtual Gateway Connection Pool is allowed",
			})
		}
	}
	return problems
}
