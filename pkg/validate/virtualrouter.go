package validate

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var virtualRouterRules = append([]bound[appmeshv1beta2.VirtualRouter]{
	{"AM001", routerImmutable},
	{"AM006", routerDuplicateRoutes},
	{"AM007", routerMatches},
	{"SL046", func(c change[appmeshv1beta2.VirtualRouter]) []problem { return c.served(ruleTargetPresent) }},
	{"SL047", routerWeights},
	{"SL048", routerLeftToRollout},
}, servedBy[appmeshv1beta2.VirtualRouter]()...)

// VirtualRouter checks a VirtualRouter; old is nil when it is new.
func VirtualRouter(old, new *appmeshv1beta2.VirtualRouter, world World) []Finding {
	return evaluate(virtualRouterRules, change[appmeshv1beta2.VirtualRouter]{old: old, new: new, world: world})
}

func routerImmutable(c change[appmeshv1beta2.VirtualRouter]) []problem {
	if c.old == nil {
		return nil
	}
	f := fixed{kind: appmeshv1beta2.KindVirtualRouter}
	f.awsName(c.old.Spec.AWSName, c.new.Spec.AWSName, underscored(c.new.Name, c.new.Namespace))
	f.meshRef(c.old.Spec.MeshRef, c.new.Spec.MeshRef)
	return f.problems()
}

func routerDuplicateRoutes(c change[appmeshv1beta2.VirtualRouter]) []problem {
	var problems []problem
	seen := map[string]bool{}
	for i, route := range c.new.Spec.Routes {
		if seen[route.Name] {
			problems = append(problems, problem{
				field.NewPath("spec", "routes").Index(i).Child("name"), Deny,
				fmt.Sprintf("VirtualRouter-%s has duplicate route entries for %s", c.new.Name, route.Name),
			})
		}
		seen[route.Name] = true
	}
	return problems
}

// routerMatches looks at http before http2. A route with both is not a case that App Mesh's webhook thought of: it
// checked the first only, so a mistake in the second is just told.
func routerMatches(c change[appmeshv1beta2.VirtualRouter]) []problem {
	var problems []problem
	for i, route := range c.new.Spec.Routes {
		path, severity := field.NewPath("spec", "routes").Index(i), Deny
		if route.HTTPRoute != nil {
			problems = append(problems, routeMatch(path.Child("httpRoute", "match"), severity, route.HTTPRoute.Match)...)
			severity = Warn
		}
		if route.HTTP2Route != nil {
			problems = append(problems, routeMatch(path.Child("http2Route", "match"), severity, route.HTTP2Route.Match)...)
		}
	}
	return problems
}

func routeMatch(path *field.Path, severity Severity, match appmeshv1beta2.HTTPRouteMatch) []problem {
	switch {
	case match.Prefix == nil && match.Path == nil:
		return []problem{{path, severity, "Either Prefix or Path must be specified"}}
	case match.Prefix != nil && match.Path != nil:
		return []problem{{path, severity, "Both Prefix and Path cannot be specified, only 1 allowed"}}
	case match.Path != nil:
		return pathMatch(path.Child("path"), severity, match.Path)
	}
	return nil
}

// pathMatch is the same for routes and gateway routes.
func pathMatch(path *field.Path, severity Severity, match *appmeshv1beta2.HTTPPathMatch) []problem {
	switch count(match.Exact != nil, match.Regex != nil) {
	case 0:
		return []problem{{path, severity, "Either exact or regex for path must be specified"}}
	case 2:
		return []problem{{path, severity, "Both exact and regex for path are not allowed. Only one must be specified"}}
	}
	return nil
}
