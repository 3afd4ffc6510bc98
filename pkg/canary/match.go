package canary

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// maxConditions is how many headers, and how many query parameters, a route of App Mesh's API can have.
const maxConditions = 10

// match lists which requests an A/B test is about; none means all requests. Without a mesh nothing can match.
func (s settings) match() []canaryv1beta1.AnalysisMatch {
	if !s.routed() {
		return nil
	}
	return s.analysis().Match
}

// matchProblem says what of analysis.match no route can express; empty when all of it can be.
func (s settings) matchProblem() string {
	for i, m := range s.match() {
		path := fmt.Sprintf("analysis.match[%d]", i)
		switch {
		case len(m.SourceLabels) > 0:
			return path + ".sourceLabels cannot be honoured: a proxy does not know the labels of its caller's pod; match a header that the caller sets"
		case len(m.Headers) > maxConditions || len(m.QueryParams) > maxConditions:
			return fmt.Sprintf("%s has more than %d headers or query parameters, which is all that a route can have; give fewer", path, maxConditions)
		case len(m.Headers)+len(m.QueryParams) == 0:
			return path + " has neither headers nor queryParams, so it would match everybody; give one, or take it away"
		}
		for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
			h := m.Headers[name]
			if n := given(h); n > 1 {
				return fmt.Sprintf("%s.headers[%s] gives %d of exact, prefix, suffix and regex; give one", path, name, n)
			}
			if h.Regex == nil {
				continue
			}
			if _, err := syntax.Parse(*h.Regex, syntax.Perl); err != nil {
				return fmt.Sprintf("%s.headers[%s].regex is not a regular expression of RE2: %v", path, name, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(m.QueryParams)) {
			if q := m.QueryParams[name]; given(q) > 1 || given(q) == 1 && q.Exact == nil {
				return fmt.Sprintf("%s.queryParams[%s] can only be matched by exact, or by its presence; a header can be matched by prefix, suffix and regex", path, name)
			}
		}
	}
	return ""
}

func given(m canaryv1beta1.StringMatch) int {
	n := 0
	for _, v := range []*string{m.Exact, m.Prefix, m.Suffix, m.Regex} {
		if v != nil {
			n++
		}
	}
	return n
}

// httpMatch is the condition of one entry of analysis.match, in the words of a route: all of it must be true. The order is
// that of the names, for a map has none and a router that differs is written again.
func httpMatch(m canaryv1beta1.AnalysisMatch) appmeshv1beta2.HTTPRouteMatch {
	var out appmeshv1beta2.HTTPRouteMatch
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		h := m.Headers[name]
		header := appmeshv1beta2.HTTPRouteHeader{Name: name}
		if given(h) > 0 { // else it is enough that the header is there
			header.Match = &appmeshv1beta2.HeaderMatchMethod{Exact: h.Exact, Prefix: h.Prefix, Suffix: h.Suffix, Regex: h.Regex}
		}
		out.Headers = append(out.Headers, header)
	}
	for _, name := range slices.Sorted(maps.Keys(m.QueryParams)) {
		parameter := appmeshv1beta2.HTTPQueryParameters{Name: name}
		if q := m.QueryParams[name]; q.Exact != nil {
			parameter.Match = &appmeshv1beta2.QueryMatchMethod{Exact: q.Exact}
		}
		out.QueryParameters = append(out.QueryParameters, parameter)
	}
	return out
}
