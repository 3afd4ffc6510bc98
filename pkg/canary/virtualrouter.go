package canary

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// defaultRetryTimeout is how long each try may take when the spec does not say.
const defaultRetryTimeout = 250 * time.Millisecond

// VirtualRouters builds the router of the apex, with the given weights, and that of <apex>-canary, which sends
// everything to the canary: conformance and load tests use it. In the apex router of a running Canary the weights
// belong to the fact Weights; whoever updates the router keeps the weights that it finds.
func VirtualRouters(c *canaryv1beta1.Canary, pods Pods, w Weights) []*appmeshv1beta2.VirtualRouter {
	s := settings{c}
	if !s.routed() {
		return nil
	}
	return []*appmeshv1beta2.VirtualRouter{
		ApexRouter(c, pods, w),
		s.virtualRouter(s.canaryService(), pods, []appmeshv1beta2.Route{s.route(s.canaryService(), fullWeight)}),
	}
}

// ApexRouter builds the router of the apex alone. A release without a mesh has none, but for one that is left from a time with a
// mesh: callers go by it as long as it is there.
func ApexRouter(c *canaryv1beta1.Canary, pods Pods, w Weights) *appmeshv1beta2.VirtualRouter {
	s := settings{c}
	return s.virtualRouter(s.apex(), pods, s.apexRoutes(w))
}

func (s settings) virtualRouter(name string, pods Pods, routes []appmeshv1beta2.Route) *appmeshv1beta2.VirtualRouter {
	return &appmeshv1beta2.VirtualRouter{
		TypeMeta:   appMeshType(appmeshv1beta2.KindVirtualRouter),
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace},
		Spec: appmeshv1beta2.VirtualRouterSpec{
			Listeners: []appmeshv1beta2.VirtualRouterListener{{
				PortMapping: appmeshv1beta2.PortMapping{Port: s.containerPort(pods), Protocol: s.protocol()},
			}},
			Routes: routes,
		},
	}
}

// route sends the canary a share, in percent, of all requests below the prefix, and the primary the rest.
func (s settings) route(name string, share int) appmeshv1beta2.Route {
	prefix := s.routePrefix()
	route := &appmeshv1beta2.HTTPRoute{
		Match:       appmeshv1beta2.HTTPRouteMatch{Prefix: &prefix},
		Action:      appmeshv1beta2.HTTPRouteAction{WeightedTargets: s.weightedTargets(share)},
		RetryPolicy: s.retryPolicy(),
	}
	if t := s.requestTimeout(); t != nil {
		route.Timeout = &appmeshv1beta2.HTTPTimeout{PerRequest: t}
	}
	return appmeshv1beta2.Route{Name: name, HTTPRoute: route}
}

// apexRoutes are all routes of the apex, in the order in which they are tried: that of everybody is the last.
func (s settings) apexRoutes(w Weights) []appmeshv1beta2.Route {
	main := s.route(s.apex(), w.Canary)
	main.HTTPRoute.Action.Mirror = s.mirrorOf(w.Mirror)
	main.HTTPRoute.Action.SetCookies = s.setCookies(w.Cookies)
	return slices.Concat(s.matchRoutes(w.Matched), s.cookieRoutes(w.Cookies), []appmeshv1beta2.Route{main})
}

// firstMatchPriority is the priority of the first route of an A/B test. The route of everybody else has none, which is
// lower than any.
const firstMatchPriority = 10

// matchRoutes are those of an A/B test, one per entry of analysis.match: a request that any of them matches is in the
// test. They are there only while the canary gets something, so that nothing about them can stand in the way of a
// rollback.
func (s settings) matchRoutes(share int) []appmeshv1beta2.Route {
	if share == 0 {
		return nil
	}
	var out []appmeshv1beta2.Route
	for i, m := range s.match() {
		route := s.route(fmt.Sprintf("%s%d", s.matchPrefix(), i+1), share)
		priority := int64(firstMatchPriority + i)
		route.Priority = &priority
		match := httpMatch(m)
		match.Prefix = route.HTTPRoute.Match.Prefix
		route.HTTPRoute.Match = match
		out = append(out, route)
	}
	return out
}

// matchPrefix begins the names of the routes of an A/B test.
func (s settings) matchPrefix() string { return s.apex() + "-match-" }

// weightedTargets are the two destinations of a route, the canary first.
func (s settings) weightedTargets(canary int) []appmeshv1beta2.WeightedTarget {
	return []appmeshv1beta2.WeightedTarget{
		{VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: s.canaryService()}, Weight: int64(canary)},
		{VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: s.primaryService()}, Weight: int64(fullWeight - canary)},
	}
}

// WeightsOf reads the weights of an apex router; nil when its route is not one of ours.
func WeightsOf(c *canaryv1beta1.Canary, vr *appmeshv1beta2.VirtualRouter) *Weights {
	s := settings{c}
	var main *Weights
	matched, cookies := 0, s.cookiesOf(vr.Spec.Routes)
	for _, route := range vr.Spec.Routes {
		w := s.weightsOf(route)
		switch {
		case w != nil && route.Name == s.apex():
			main = w
			main.Mirror = s.mirrorIn(route)
		case w != nil && strings.HasPrefix(route.Name, s.matchPrefix()):
			matched = max(matched, w.Canary)
		}
	}
	if main != nil {
		main.Matched, main.Cookies = matched, cookies
	}
	return main
}

// weightsOf reads the two destinations of a route; nil when it has another. It compares names only, so a target in
// another namespace or without a name is another.
func (s settings) weightsOf(route appmeshv1beta2.Route) *Weights {
	if route.HTTPRoute == nil {
		return nil
	}
	w := &Weights{}
	for _, t := range route.HTTPRoute.Action.WeightedTargets {
		switch {
		case t.VirtualNodeRef == nil || t.VirtualNodeRef.Namespace != nil && *t.VirtualNodeRef.Namespace != s.Namespace:
			return nil
		case t.VirtualNodeRef.Name == s.primaryService():
			w.Primary += int(t.Weight)
		case t.VirtualNodeRef.Name == s.canaryService():
			w.Canary += int(t.Weight)
		default:
			return nil
		}
	}
	return w
}

// routePrefix is the only part of service.match that an App Mesh route takes from Flagger.
func (s settings) routePrefix() string {
	if m := s.Spec.Service.Match; len(m) > 0 && m[0].URI != nil && m[0].URI.Prefix != nil && *m[0].URI.Prefix != "" {
		return *m[0].URI.Prefix
	}
	return "/"
}

func (s settings) retryPolicy() *appmeshv1beta2.HTTPRetryPolicy {
	r := s.Spec.Service.Retries
	if r == nil {
		return nil
	}
	each := defaultRetryTimeout
	if d, err := time.ParseDuration(r.PerTryTimeout); err == nil && d > 0 {
		each = d
	}
	policy := &appmeshv1beta2.HTTPRetryPolicy{MaxRetries: 1, PerRetryTimeout: *inMilliseconds(each)}
	if r.Attempts != nil && *r.Attempts > 0 {
		policy.MaxRetries = int64(*r.Attempts)
	}
	setRetryEvents(policy, r.RetryOn)
	return policy
}

// retryOn translates the words that Istio's users write. App Mesh has its own, and a router with another is refused.
var retryOn = map[string]appmeshv1beta2.HTTPRetryPolicyEvent{
	"server-error":   appmeshv1beta2.HTTPRetryPolicyEventServerError,
	"5xx":            appmeshv1beta2.HTTPRetryPolicyEventServerError,
	"gateway-error":  appmeshv1beta2.HTTPRetryPolicyEventGatewayError,
	"client-error":   appmeshv1beta2.HTTPRetryPolicyEventClientError,
	"retriable-4xx":  appmeshv1beta2.HTTPRetryPolicyEventClientError,
	"stream-error":   appmeshv1beta2.HTTPRetryPolicyEventStreamError,
	"reset":          appmeshv1beta2.HTTPRetryPolicyEventStreamError,
	"refused-stream": appmeshv1beta2.HTTPRetryPolicyEventStreamError,
}

// setRetryEvents leaves out words that nothing is known about; the rulebook warns of them.
func setRetryEvents(policy *appmeshv1beta2.HTTPRetryPolicy, list string) {
	seen := map[appmeshv1beta2.HTTPRetryPolicyEvent]bool{}
	for _, word := range strings.Split(list, ",") {
		word = strings.TrimSpace(word)
		if word == "connect-failure" || word == string(appmeshv1beta2.TCPRetryPolicyEventConnectionError) {
			policy.TCPRetryEvents = []appmeshv1beta2.TCPRetryPolicyEvent{appmeshv1beta2.TCPRetryPolicyEventConnectionError}
		}
		if e, ok := retryOn[word]; ok && !seen[e] {
			seen[e] = true
			policy.HTTPRetryEvents = append(policy.HTTPRetryEvents, e)
		}
	}
	if len(policy.HTTPRetryEvents) == 0 && len(policy.TCPRetryEvents) == 0 {
		policy.HTTPRetryEvents = []appmeshv1beta2.HTTPRetryPolicyEvent{appmeshv1beta2.HTTPRetryPolicyEventGatewayError}
	}
}
