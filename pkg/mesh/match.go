package mesh

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// httpMatch converts the match of an HTTP or HTTP/2 route of a router.
func httpMatch(path *field.Path, m appmeshv1beta2.HTTPRouteMatch) (Match, field.ErrorList) {
	out, errs := pathMatch(path, m.Prefix, m.Path)
	out.Method, out.Scheme = value(m.Method), value(m.Scheme)
	errs = append(errs, conditions(path, &out, m.Headers, m.QueryParameters)...)
	return out, errs
}

// gatewayMatch converts the match of an HTTP or HTTP/2 route of a gateway. Without a path, any matches.
func gatewayMatch(path *field.Path, m appmeshv1beta2.HTTPGatewayRouteMatch) (Match, field.ErrorList) {
	prefix := m.Prefix
	if prefix == nil && m.Path == nil {
		root := "/"
		prefix = &root
	}
	out, errs := pathMatch(path, prefix, m.Path)
	out.Method = value(m.Method)
	errs = append(errs, conditions(path, &out, m.Headers, m.QueryParameters)...)
	return out, errs
}

func pathMatch(path *field.Path, prefix *string, p *appmeshv1beta2.HTTPPathMatch) (Match, field.ErrorList) {
	switch {
	case prefix != nil && p != nil:
		return Match{}, field.ErrorList{field.Invalid(path.Child("path"), field.OmitValueType{}, "give prefix or path, not both")}
	case prefix != nil:
		if !strings.HasPrefix(*prefix, "/") || !isHeaderValue(*prefix) {
			return Match{}, field.ErrorList{field.Invalid(path.Child("prefix"), *prefix, "a prefix starts with a slash and has no control characters")}
		}
		return Match{Prefix: *prefix}, nil
	case p != nil && p.Exact != nil && p.Regex == nil:
		if !strings.HasPrefix(*p.Exact, "/") || !isHeaderValue(*p.Exact) {
			return Match{}, field.ErrorList{field.Invalid(path.Child("path", "exact"), *p.Exact, "a path starts with a slash and has no control characters")}
		}
		return Match{Path: *p.Exact}, nil
	case p != nil && p.Regex != nil && p.Exact == nil:
		if err := checkRegex(path.Child("path", "regex"), *p.Regex); err != nil {
			return Match{}, field.ErrorList{err}
		}
		return Match{Regex: *p.Regex}, nil
	default:
		return Match{}, field.ErrorList{field.Required(path, "give one of prefix, path.exact and path.regex")}
	}
}

// grpcMatch converts the match of a gRPC route. A call is a POST to /service/method.
func grpcMatch(path *field.Path, m appmeshv1beta2.GRPCRouteMatch) (Match, field.ErrorList) {
	out, errs := serviceMatch(path, m.ServiceName, m.MethodName)
	errs = append(errs, metadata(path, &out, m.Metadata)...)
	return out, errs
}

func grpcGatewayMatch(path *field.Path, m appmeshv1beta2.GRPCGatewayRouteMatch) (Match, field.ErrorList) {
	out, errs := serviceMatch(path, m.ServiceName, nil)
	errs = append(errs, metadata(path, &out, m.Metadata)...)
	return out, errs
}

func serviceMatch(path *field.Path, service, method *string) (Match, field.ErrorList) {
	switch {
	case method != nil && service == nil:
		return Match{}, field.ErrorList{field.Required(path.Child("serviceName"), "methodName alone matches nothing; give the service of the method too")}
	case service == nil:
		return Match{Prefix: "/", GRPC: true}, nil
	case *service == "" || !isHeaderValue(*service):
		return Match{}, field.ErrorList{field.Invalid(path.Child("serviceName"), *service, "this is not the name of a gRPC service")}
	case method == nil:
		return Match{Prefix: "/" + *service + "/", GRPC: true}, nil
	case *method == "" || !isHeaderValue(*method):
		return Match{}, field.ErrorList{field.Invalid(path.Child("methodName"), *method, "this is not the name of a gRPC method")}
	default:
		return Match{Path: "/" + *service + "/" + *method, GRPC: true}, nil
	}
}

func conditions(path *field.Path, out *Match, headers []appmeshv1beta2.HTTPRouteHeader, query []appmeshv1beta2.HTTPQueryParameters) field.ErrorList {
	var errs field.ErrorList
	for i, h := range headers {
		match, err := headerMatch(path.Child("headers").Index(i), h.Name, value(h.Invert), h.Match)
		if err != nil {
			errs = append(errs, err)
		}
		out.Headers = append(out.Headers, match)
	}
	for i, q := range query {
		if q.Name == "" || !isHeaderValue(q.Name) {
			errs = append(errs, field.Invalid(path.Child("queryParameters").Index(i).Child("name"), q.Name, "this is not the name of a query parameter"))
		}
		match := QueryMatch{Name: q.Name}
		if q.Match != nil {
			match.Exact = q.Match.Exact
		}
		out.Query = append(out.Query, match)
	}
	return errs
}

func metadata(path *field.Path, out *Match, list []appmeshv1beta2.GRPCRouteMetadata) field.ErrorList {
	var errs field.ErrorList
	for i, m := range list {
		// Metadata travels in headers; the two types of condition have the same fields.
		match, err := headerMatch(path.Child("metadata").Index(i), m.Name, value(m.Invert), (*appmeshv1beta2.HeaderMatchMethod)(m.Match))
		if err != nil {
			errs = append(errs, err)
		}
		out.Headers = append(out.Headers, match)
	}
	return errs
}

// headerMatch converts a condition on a header. Without a filter the header must be present.
func headerMatch(path *field.Path, name string, invert bool, m *appmeshv1beta2.HeaderMatchMethod) (HeaderMatch, *field.Error) {
	out := HeaderMatch{Name: name, Invert: invert}
	if !isHeaderName(name) {
		return out, field.Invalid(path.Child("name"), name, "this is not the name of a header")
	}
	if m == nil {
		return out, nil
	}
	filters := 0
	for _, filter := range []struct {
		name  string
		value *string
	}{{"exact", m.Exact}, {"prefix", m.Prefix}, {"suffix", m.Suffix}, {"regex", m.Regex}} {
		if filter.value == nil {
			continue
		}
		filters++
		if *filter.value == "" || !isHeaderValue(*filter.value) {
			return out, field.Invalid(path.Child("match", filter.name), *filter.value, "the value is empty or has control characters, so no header can match")
		}
	}
	out.Exact, out.Prefix, out.Suffix, out.Regex = value(m.Exact), value(m.Prefix), value(m.Suffix), value(m.Regex)
	if m.Range != nil {
		filters++
		out.Range = &MatchRange{Start: m.Range.Start, End: m.Range.End}
		if m.Range.Start >= m.Range.End {
			return out, field.Invalid(path.Child("match", "range"), fmt.Sprintf("%d-%d", m.Range.Start, m.Range.End), "no number is in this range; end must be above start")
		}
	}
	if filters > 1 {
		return out, field.Invalid(path.Child("match"), field.OmitValueType{}, "give one of exact, prefix, suffix, regex and range")
	}
	if out.Regex != "" {
		return out, checkRegex(path.Child("match", "regex"), out.Regex)
	}
	return out, nil
}

// isHeaderValue says whether Envoy's configuration takes the text where it becomes part of a header.
func isHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

func isHeaderName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_|~`", c) >= 0:
		case c == ':' && i == 0:
		default:
			return false
		}
	}
	return s != "" && s != ":"
}
