package validate

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var gatewayRouteRules = append([]bound[appmeshv1beta2.GatewayRoute]{
	{"AM001", gatewayRouteImmutable},
	{"AM008", gatewayRouteType},
	{"AM009", httpGatewayRoute(gatewayRouteMatch)},
	{"AM010", httpGatewayRoute(gatewayRouteHeaders)},
	{"AM011", httpGatewayRoute(gatewayRouteQuery)},
	{"AM013", httpGatewayRoute(gatewayRouteRewrite)},
	{"AM014", grpcGatewayRoute(gatewayRouteService)},
	{"AM012", grpcGatewayRoute(gatewayRouteMetadata)},
}, servedBy[appmeshv1beta2.GatewayRoute]()...)

// GatewayRoute checks a GatewayRoute; old is nil when it is new.
func GatewayRoute(old, new *appmeshv1beta2.GatewayRoute, world World) []Finding {
	return evaluate(gatewayRouteRules, change[appmeshv1beta2.GatewayRoute]{old: old, new: new, world: world})
}

func gatewayRouteImmutable(c change[appmeshv1beta2.GatewayRoute]) []problem {
	if c.old == nil {
		return nil
	}
	f := fixed{kind: appmeshv1beta2.KindGatewayRoute}
	f.awsName(c.old.Spec.AWSName, c.new.Spec.AWSName, underscored(c.new.Name, c.new.Namespace))
	f.meshRef(c.old.Spec.MeshRef, c.new.Spec.MeshRef)
	before, after := c.old.Spec.VirtualGatewayRef, c.new.Spec.VirtualGatewayRef
	f.field("spec.virtualGatewayRef", before != nil, equality.Semantic.DeepEqual(before, after))
	return f.problems()
}

// gatewayRouteType comes first, and the other rules are silent when it speaks: with two types there is no telling
// which one is meant.
func gatewayRouteType(c change[appmeshv1beta2.GatewayRoute]) []problem {
	switch n := routeTypes(c.new); {
	case n == 0:
		return []problem{{field.NewPath("spec"), Deny, "Missing GatewayRoute Type in GatewayRoute Spec"}}
	case n > 1:
		return []problem{{field.NewPath("spec"), Deny, "Found multiple types in GatewayRoute Spec. Only 1 (GRPC/HTTP/HTTP2) allowed"}}
	}
	return nil
}

func routeTypes(route *appmeshv1beta2.GatewayRoute) int {
	return count(route.Spec.GRPCRoute != nil, route.Spec.HTTPRoute != nil, route.Spec.HTTP2Route != nil)
}

// httpGatewayRoute gives a check the one http or http2 route that there is.
func httpGatewayRoute(check func(*field.Path, *appmeshv1beta2.HTTPGatewayRoute) []problem) func(change[appmeshv1beta2.GatewayRoute]) []problem {
	return func(c change[appmeshv1beta2.GatewayRoute]) []problem {
		switch {
		case routeTypes(c.new) != 1:
			return nil
		case c.new.Spec.HTTPRoute != nil:
			return check(field.NewPath("spec", "httpRoute"), c.new.Spec.HTTPRoute)
		case c.new.Spec.HTTP2Route != nil:
			return check(field.NewPath("spec", "http2Route"), c.new.Spec.HTTP2Route)
		}
		return nil
	}
}

// grpcGatewayRoute gives a check the one grpc route that there is.
func grpcGatewayRoute(check func(*field.Path, *appmeshv1beta2.GRPCGatewayRoute) []problem) func(change[appmeshv1beta2.GatewayRoute]) []problem {
	return func(c change[appmeshv1beta2.GatewayRoute]) []problem {
		if routeTypes(c.new) != 1 || c.new.Spec.GRPCRoute == nil {
			return nil
		}
		return check(field.NewPath("spec", "grpcRoute"), c.new.Spec.GRPCRoute)
	}
}

func gatewayRouteMatch(path *field.Path, route *appmeshv1beta2.HTTPGatewayRoute) []problem {
	match, path := route.Match, path.Child("match")
	if match.Prefix == nil && match.Path == nil && match.Hostname == nil {
		return []problem{{path, Deny, "Either prefix or path or hostname must be specified"}}
	}
	var problems []problem
	if match.Prefix != nil && match.Path != nil {
		problems = append(problems, problem{path, Deny, "Both prefix and path cannot be specified. Only 1 allowed"})
	}
	if match.Path != nil {
		problems = append(problems, pathMatch(path.Child("path"), Deny, match.Path)...)
	}
	return append(problems, hostnameMatch(path.Child("hostname"), match.Hostname)...)
}

func hostnameMatch(path *field.Path, match *appmeshv1beta2.GatewayRouteHostnameMatch) []problem {
	if match == nil {
		return nil
	}
	switch count(match.Exact != nil, match.Suffix != nil) {
	case 0:
		return []problem{{path, Deny, "Either exact or suffix match for hostname must be specified"}}
	case 2:
		return []problem{{path, Deny, "Both exact and suffix match for hostname are not allowed. Only one must be specified"}}
	}
	return nil
}

func gatewayRouteRewrite(path *field.Path, route *appmeshv1beta2.HTTPGatewayRoute) []problem {
	rewrite := route.Action.Rewrite
	if rewrite == nil {
		return nil
	}
	path = path.Child("action", "rewrite")
	switch {
	case rewrite.Prefix == nil && rewrite.Path == nil && rewrite.Hostname == nil:
		return []problem{{path, Deny, "Either prefix, path or hostname for rewrite must be specified"}}
	case rewrite.Prefix != nil && rewrite.Path != nil:
		return []problem{{path, Deny, "Both prefix and path for rewrites cannot be specified. Only 1 allowed"}}
	case rewrite.Prefix == nil:
		return nil
	}
	var problems []problem
	if prefix := route.Match.Prefix; prefix != nil && !strings.HasPrefix(*prefix, "/") {
		problems = append(problems, problem{path, Deny, "Prefix to be matched on must start with '/'"})
	}
	value := rewrite.Prefix.Value
	switch {
	case value == nil:
	case rewrite.Prefix.DefaultPrefix != nil:
		problems = append(problems, problem{path.Child("prefix"), Deny, "Cannot specify both defaultPrefix and prefix for rewrite, only 1 allowed"})
	case !strings.HasPrefix(*value, "/") || !strings.HasSuffix(*value, "/"):
		problems = append(problems, problem{path.Child("prefix", "value"), Deny, "New Rewrite Prefix must start and end with '/'"})
	}
	return problems
}

// gatewayRouteService looks at the host name only where there is no service name: App Mesh did not look further.
func gatewayRouteService(path *field.Path, route *appmeshv1beta2.GRPCGatewayRoute) []problem {
	match, path := route.Match, path.Child("match")
	if match.ServiceName != nil {
		return told(hostnameMatch(path.Child("hostname"), match.Hostname))
	}
	if match.Hostname == nil {
		return []problem{{path, Deny, "Either servicename or hostname must be specified"}}
	}
	return hostnameMatch(path.Child("hostname"), match.Hostname)
}

// told turns refusals into warnings: for mistakes that App Mesh's webhook accepted, so that manifests which worked
// still apply.
func told(problems []problem) []problem {
	for i := range problems {
		problems[i].severity = Warn
	}
	return problems
}
