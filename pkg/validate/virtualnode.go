package validate

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var virtualNodeRules = append([]bound[appmeshv1beta2.VirtualNode]{
	{"AM003", nodeDiscoveryMissing},
	{"AM001", nodeImmutable},
	{"AM004", nodeDuplicateBackends},
	{"AM005", nodePools},
	{"SL044", nodePortsThere},
	{"SL048", leftToRollout[appmeshv1beta2.VirtualNode]},
	{"SL051", nodeSelectsAlone},
}, servedBy[appmeshv1beta2.VirtualNode]()...)

// VirtualNode checks a VirtualNode; old is nil when it is new.
func VirtualNode(old, new *appmeshv1beta2.VirtualNode, world World) []Finding {
	return evaluate(virtualNodeRules, change[appmeshv1beta2.VirtualNode]{old: old, new: new, world: world})
}

func nodeDiscoveryMissing(c change[appmeshv1beta2.VirtualNode]) []problem {
	if len(c.new.Spec.Listeners) == 0 || c.new.Spec.ServiceDiscovery != nil {
		return nil
	}
	return []problem{{
		field.NewPath("spec", "serviceDiscovery"), Deny,
		fmt.Sprintf("ServiceDiscovery missing for VirtualNode-%s. ServiceDiscovery must be specified when a listener is specified.", c.new.Name),
	}}
}

func nodeImmutable(c change[appmeshv1beta2.VirtualNode]) []problem {
	if c.old == nil {
		return nil
	}
	f := fixed{kind: appmeshv1beta2.KindVirtualNode}
	f.awsName(c.old.Spec.AWSName, c.new.Spec.AWSName, underscored(c.new.Name, c.new.Namespace))
	f.meshRef(c.old.Spec.MeshRef, c.new.Spec.MeshRef)
	before, after := cloudMap(c.old), cloudMap(c.new)
	f.field("spec.serviceDiscovery.awsCloudMap", before != nil, equality.Semantic.DeepEqual(before, after))
	return f.problems()
}

func cloudMap(node *appmeshv1beta2.VirtualNode) *appmeshv1beta2.AWSCloudMapServiceDiscovery {
	if node.Spec.ServiceDiscovery == nil {
		return nil
	}
	return node.Spec.ServiceDiscovery.AWSCloudMap
}

// nodeDuplicateBackends compares by reference, or by ARN where there is no reference; the same name in two namespaces
// is two backends.
func nodeDuplicateBackends(c change[appmeshv1beta2.VirtualNode]) []problem {
	var problems []problem
	type key struct{ namespace, name, arn string }
	seen := map[key]bool{}
	for i, backend := range c.new.Spec.Backends {
		var (
			id   key
			text string
		)
		switch service := backend.VirtualService; {
		case service.VirtualServiceRef != nil:
			id = key{namespace: c.new.Namespace, name: service.VirtualServiceRef.Name}
			if service.VirtualServiceRef.Namespace != nil {
				id.namespace = *service.VirtualServiceRef.Namespace
			}
			text = fmt.Sprintf("VirtualNode-%s has duplicate VirtualServiceReferences %s", c.new.Name, id.name)
		case service.VirtualServiceARN != nil:
			id = key{arn: *service.VirtualServiceARN}
			text = fmt.Sprintf("VirtualNode-%s has duplicate VirtualServiceReferenceARNs %s", c.new.Name, id.arn)
		default:
			continue
		}
		if seen[id] {
			problems = append(problems, problem{field.NewPath("spec", "backends").Index(i).Child("virtualService"), Deny, text})
		}
		seen[id] = true
	}
	return problems
}

func nodePools(c change[appmeshv1beta2.VirtualNode]) []problem {
	var problems []problem
	for i, listener := range c.new.Spec.Listeners {
		pool := listener.ConnectionPool
		if pool != nil && count(pool.TCP != nil, pool.HTTP != nil, pool.HTTP2 != nil, pool.GRPC != nil) > 1 {
			problems = append(problems, problem{
				field.NewPath("spec", "listeners").Index(i).Child("connectionPool"), Deny,
				"Only one type of Virtual Node Connection Pool is allowed",
			})
		}
	}
	return problems
}

// count returns how many of the facts hold.
func count(facts ...bool) int {
	n := 0
	for _, fact := range facts {
		if fact {
			n++
		}
	}
	return n
}
