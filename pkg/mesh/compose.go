package mesh

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A gateway of App Mesh rewrote a request and sent it to its own egress listener, where the virtual service's routes
// were tried. We join the two steps into one route each, so that a request crosses the gateway's Envoy once: the joined
// route matches what the first lets through and the second matches after the rewrite.

// compose joins a rule with the routes of its service, in the order in which the service tries them.
func (b *builder) compose(r rule, l GatewayListener) []Route {
	port := r.servicePort(l.Port)
	if port == nil {
		return nil
	}
	var out []Route
	for _, first := range forms(r) {
		for _, second := range port.Routes {
			joined, ok := b.join(r, first, second)
			if !ok {
				continue
			}
			joined.Name = r.source.Namespace + "/" + r.source.Name + "/" + second.Name
			joined.Sources = append([]ObjectRef{r.source}, second.Sources...)
			if r.rewrite.host {
				joined.RewriteHost = hostOf(r.service)
			}
			if r.timeout != nil {
				joined.Timeout = *r.timeout
			}
			if r.retry != nil {
				joined.Retry = r.retry()
			}
			out = append(out, joined)
		}
	}
	return out
}

// reachable leaves out routes that an earlier one hides: joining makes many of them.
func reachable(routes []Route) []Route {
	out := []Route{}
	for _, r := range routes {
		if slices.ContainsFunc(out, func(earlier Route) bool { return hides(earlier.Match, r.Match) }) {
			continue
		}
		out = append(out, r)
	}
	return out
}

// hides says whether no request is left for later. It does not have to find every such pair.
func hides(earlier, later Match) bool {
	everything := earlier.Prefix == "/" && earlier.conditions() == 0
	return everything || reflect.DeepEqual(earlier, later)
}

// hostOf is the name that the application sees; a pattern is nobody's name.
func hostOf(s *Service) string {
	if strings.Contains(s.Name, "*") {
		return ""
	}
	return s.Name
}

// forms gives the spellings of a rule's prefix. One that is replaced has two, "/x/" and "/x", tried in this order, so
// that "/x/y" becomes "/y" and not "//y". A gRPC service is a whole word, and has one.
func forms(r rule) []Match {
	if r.match.Prefix == "" || r.match.GRPC {
		return []Match{r.match}
	}
	bare := strings.TrimRight(r.match.Prefix, "/")
	short, long := r.match, r.match
	short.Prefix, long.Prefix = bare, bare+"/"
	switch {
	case bare == "":
		return []Match{long}
	case r.rewrite.keep:
		return []Match{short}
	default:
		return []Match{long, short}
	}
}

// join gives the route that does what first, the rewrite and second do one after the other; false if no request passes both.
func (b *builder) join(r rule, first Match, second Route) (Route, bool) {
	out := second
	match, path, ok := b.joinPaths(r, first, second.Match)
	if !ok {
		return Route{}, false
	}
	out.RewritePath = path
	if second.Match.Regex != "" && first.Prefix != "" && !r.rewrite.keep {
		// The expression is about the path after the rewrite, so the new prefix cannot be named; what goes off can.
		out.RewritePath, out.StripPath = "", path
	}
	m := second.Match
	if first.Method != "" && m.Method != "" && first.Method != m.Method {
		return Route{}, false
	}
	match.Method, match.Scheme, match.GRPC = first.Method+m.Method, m.Scheme, first.GRPC || m.GRPC
	if first.Method == m.Method {
		match.Method = m.Method
	}
	match.Headers = slices.Concat(match.Headers, first.Headers, m.Headers)
	match.Query = slices.Concat(first.Query, m.Query)
	out.Match = match
	return out, true
}

// joinPaths gives the path conditions and the rewrite of a joined route.
func (b *builder) joinPaths(r rule, first, second Match) (Match, string, bool) {
	switch {
	case first.Prefix != "" && !r.rewrite.keep:
		return b.joinReplaced(r, first.Prefix, second)
	case first.Prefix != "":
		return joinKept(first.Prefix, second)
	case !r.rewrite.keep:
		// Whatever came in, the service sees this one path.
		return Match{Path: first.Path, Regex: first.Regex}, r.rewrite.path, takes(second, r.rewrite.path)
	case first.Path != "":
		return Match{Path: first.Path}, "", takes(second, first.Path)
	default:
		return joinRegex(first.Regex, second)
	}
}

// joinReplaced: what follows the prefix of the rule follows the new prefix in what the service sees.
func (b *builder) joinReplaced(r rule, prefix string, second Match) (Match, string, bool) {
	replaced := r.rewrite.path
	rest, longer := strings.CutPrefix(second.Path+second.Prefix, replaced)
	switch {
	case second.Regex != "":
		off, plain := strings.CutSuffix(prefix, replaced)
		if !plain || !strings.HasSuffix(prefix, "/") {
			if strings.HasSuffix(prefix, "/") {
				b.blocked(r.source, ReasonNotHonoured, field.Invalid(r.path.Child("action", "rewrite"), replaced,
					"a route of the virtual service matches by a regular expression, which the gateway cannot join with this rewrite, so it skips that route; rewrite to a slash, or match by prefix there"))
			}
			return Match{}, "", false
		}
		return Match{Regex: regexp.QuoteMeta(off) + "(?:" + strings.TrimPrefix(second.Regex, "^") + ")"}, off, true
	case second.Path != "":
		// Only the form with a slash leads further: behind "/x", "rest" would be another word ("/xrest").
		return Match{Path: prefix + rest}, rewritten(prefix+rest, second.Path), longer && (rest == "" || strings.HasSuffix(prefix, "/"))
	case longer && rest != "":
		return Match{Prefix: prefix + rest}, rewritten(prefix+rest, second.Prefix), strings.HasSuffix(prefix, "/")
	default:
		return Match{Prefix: prefix}, rewritten(prefix, replaced), strings.HasPrefix(replaced, second.Prefix)
	}
}

// rewritten leaves out a rewrite that changes nothing.
func rewritten(from, to string) string {
	if from == to {
		return ""
	}
	return to
}

// joinKept: both conditions are about the same path.
func joinKept(prefix string, second Match) (Match, string, bool) {
	switch {
	case second.Path != "":
		return Match{Path: second.Path}, "", strings.HasPrefix(second.Path, prefix)
	case second.Regex != "":
		return Match{Regex: second.Regex, Headers: pathStarts(prefix)}, "", true
	case strings.HasPrefix(second.Prefix, prefix):
		return Match{Prefix: second.Prefix}, "", true
	default:
		return Match{Prefix: prefix}, "", strings.HasPrefix(prefix, second.Prefix)
	}
}

func joinRegex(regex string, second Match) (Match, string, bool) {
	switch {
	case second.Path != "":
		return Match{Path: second.Path}, "", matchesWhole(regex, second.Path)
	case second.Regex != "":
		// Envoy has one path condition and sees the query in the header, hence the optional tail.
		return Match{Regex: regex, Headers: []HeaderMatch{{Name: ":path", Regex: `(?:` + strings.TrimSuffix(second.Regex, "$") + `)(?:\?.*)?`}}}, "", true
	default:
		return Match{Regex: regex, Headers: pathStarts(second.Prefix)}, "", true
	}
}

// pathStarts is a prefix as a condition beside another one on the path.
func pathStarts(prefix string) []HeaderMatch {
	if prefix == "/" {
		return nil
	}
	return []HeaderMatch{{Name: ":path", Prefix: prefix}}
}

// takes says whether a match takes one known path.
func takes(m Match, path string) bool {
	switch {
	case m.Path != "":
		return m.Path == path
	case m.Regex != "":
		return matchesWhole(m.Regex, path)
	default:
		return strings.HasPrefix(path, m.Prefix)
	}
}

func matchesWhole(regex, path string) bool {
	compiled, err := regexp.Compile(`^(?:` + regex + `)$`)
	return err == nil && compiled.MatchString(path)
}
