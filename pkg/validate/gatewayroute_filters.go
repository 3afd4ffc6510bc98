package validate

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// App Mesh's sentences about match filters.
const (
	tooManyHeader   = "Too many Match Filters specified, only 1 allowed per header"
	tooManyMetadata = "Too many Match Filters specified, only 1 allowed per metadata"
	noHeaderFilter  = "Missing Match criteria for one or more header match block, don't specify match block if you dont need it"
	noQueryFilter   = "Missing Match criteria for one or more exact query match block, don't specify match block if you dont need it"
	badRange        = "Invalid Match Range specified, end has to be greater than start"
)

// gatewayRouteHeaders stops refusing behind the first header that is matched by range: App Mesh's webhook returned
// there, so what follows was accepted and is only told.
func gatewayRouteHeaders(path *field.Path, route *appmeshv1beta2.HTTPGatewayRoute) []problem {
	var problems []problem
	beyond := false
	for i, header := range route.Match.Headers {
		if header.Match == nil {
			continue
		}
		m, at := header.Match, path.Child("match", "headers").Index(i).Child("match")
		var found []problem
		switch n := count(m.Exact != nil, m.Prefix != nil, m.Regex != nil, m.Suffix != nil, m.Range != nil); {
		case n > 1:
			found = []problem{{at, Deny, tooManyHeader}}
		case n == 0:
			found = []problem{{at, Deny, noHeaderFilter}}
		default:
			found = rangeMatch(at.Child("range"), m.Range)
		}
		if beyond {
			found = told(found)
		}
		problems = append(problems, found...)
		beyond = beyond || m.Range != nil
	}
	return problems
}

// gatewayRouteQuery only tells where there are headers too: App Mesh's webhook looked at one or the other.
func gatewayRouteQuery(path *field.Path, route *appmeshv1beta2.HTTPGatewayRoute) []problem {
	var problems []problem
	for i, parameter := range route.Match.QueryParameters {
		if parameter.Match != nil && parameter.Match.Exact == nil {
			problems = append(problems, problem{path.Child("match", "queryParameters").Index(i).Child("match"), Deny, noQueryFilter})
		}
	}
	if len(route.Match.Headers) > 0 {
		return told(problems)
	}
	return problems
}

// gatewayRouteMetadata accepts an entry without any filter, as App Mesh did, and stops refusing behind the first range.
func gatewayRouteMetadata(path *field.Path, route *appmeshv1beta2.GRPCGatewayRoute) []problem {
	var problems []problem
	beyond := false
	for i, metadata := range route.Match.Metadata {
		if metadata.Match == nil {
			continue
		}
		m, at := metadata.Match, path.Child("match", "metadata").Index(i).Child("match")
		found := rangeMatch(at.Child("range"), m.Range)
		if count(m.Exact != nil, m.Prefix != nil, m.Regex != nil, m.Suffix != nil, m.Range != nil) > 1 {
			found = []problem{{at, Deny, tooManyMetadata}}
		}
		if beyond {
			found = told(found)
		}
		problems = append(problems, found...)
		beyond = beyond || m.Range != nil
	}
	return problems
}

func rangeMatch(path *field.Path, r *appmeshv1beta2.MatchRange) []problem {
	if r == nil || r.Start < r.End {
		return nil
	}
	return []problem{{path, Deny, badRange}}
}
