package xds

import (
	"regexp"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// routesOf keeps the order: Envoy takes the first route that matches, and the model has them in the order to try.
func routesOf(routes []mesh.Route) []*routev3.Route {
	out := make([]*routev3.Route, 0, len(routes))
	for _, r := range routes {
		out = append(out, routeOf(r))
	}
	return out
}

func routeOf(r mesh.Route) *routev3.Route {
	out := &routev3.Route{Name: r.Name, Match: matchOf(r.Match)}
	if totalWeight(r.Targets) == 0 {
		// Envoy refuses a table with such a route, and without it a wider route would take the requests.
		out.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: 503,
			Body:   &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "no virtual node answers for this route\n"}},
		}}
		return out
	}
	action := &routev3.RouteAction{
		Timeout:       duration(r.Timeout),
		IdleTimeout:   duration(r.Idle),
		RetryPolicy:   retryOf(r.Retry),
		PrefixRewrite: r.RewritePath,

		RequestMirrorPolicies: mirrorOf(r.Mirror),
	}
	if r.StripPath != "" {
		action.RegexRewrite = &matcherv3.RegexMatchAndSubstitute{
			Pattern: &matcherv3.RegexMatcher{Regex: "^" + regexp.QuoteMeta(r.StripPath)},
		}
	}
	if r.RewriteHost != "" {
		action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: r.RewriteHost}
	}
	if len(r.Targets) == 1 && len(r.Targets[0].SetCookies) == 0 {
		action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: r.Targets[0].Cluster}
	} else {
		action.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: weighted(r.Targets)}
	}
	out.Action = &routev3.Route_Route{Route: action}
	return out
}

// weighted keeps weights of 0: the cluster stays known and warm, so that a first step of a release only moves a number.
func weighted(targets []mesh.Target) *routev3.WeightedCluster {
	out := &routev3.WeightedCluster{}
	for _, t := range targets {
		out.Clusters = append(out.Clusters, &routev3.WeightedCluster_ClusterWeight{
			Name: t.Cluster, Weight: wrapperspb.UInt32(t.Weight), ResponseHeadersToAdd: setCookies(t.SetCookies),
		})
	}
	return out
}

// setCookies adds to what an application sets itself.
func setCookies(cookies []string) []*corev3.HeaderValueOption {
	var out []*corev3.HeaderValueOption
	for _, cookie := range cookies {
		out = append(out, &corev3.HeaderValueOption{
			// A percent sign begins a command of Envoy's, and two are one.
			Header:       &corev3.HeaderValue{Key: "set-cookie", Value: strings.ReplaceAll(cookie, "%", "%%")},
			AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
		})
	}
	return out
}

// mirrorOf copies requests. Envoy waits for no answer to a copy, and the application sees the host that it always does.
func mirrorOf(m *mesh.Mirror) []*routev3.RouteAction_RequestMirrorPolicy {
	if m == nil {
		return nil
	}
	return []*routev3.RouteAction_RequestMirrorPolicy{{
		Cluster: m.Cluster,
		RuntimeFraction: &corev3.RuntimeFractionalPercent{
			DefaultValue: &typev3.FractionalPercent{Numerator: m.Percent, Denominator: typev3.FractionalPercent_HUNDRED},
		},
		DisableShadowHostSuffixAppend: true,
	}}
}

func totalWeight(targets []mesh.Target) uint64 {
	sum := uint64(0)
	for _, t := range targets {
		sum += uint64(t.Weight)
	}
	return sum
}

// passthroughHost sends what no service is named by to where it was going. It adds no limits of its own.
func passthroughHost(cluster string) *routev3.VirtualHost {
	return &routev3.VirtualHost{Name: cluster, Domains: []string{"*"}, Routes: routesOf([]mesh.Route{{
		Name: "passthrough", Match: mesh.Match{Prefix: "/"}, Targets: []mesh.Target{{Cluster: cluster, Weight: 1}},
	}})}
}

// duration of 0 is sent too: to Envoy it means "no limit", and absence means a default of its own.
func duration(d mesh.Duration) *durationpb.Duration { return durationpb.New(time.Duration(d)) }
