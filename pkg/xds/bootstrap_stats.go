package xds

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// statsListener shows the harmless part of the admin interface to the network. Envoy's admin itself can stop the
// process and print its secrets, so it listens on a Unix socket that only the container has.
//
// Envoy opens no listener before the first configuration has arrived, so that a refused connection here
// means "not yet", which is what the startup probe waits for.
func statsListener(c BootstrapConfig) (*listenerv3.Listener, error) {
	filters, err := httpFilters(named("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}))
	if err != nil {
		return nil, err
	}
	manager, err := typed(&hcmv3.HttpConnectionManager{
		StatPrefix: ListenerStats,
		// "/stats/../quitquitquit" must be read as what it means before it is matched.
		NormalizePath:                wrapperspb.Bool(true),
		MergeSlashes:                 true,
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_REJECT_REQUEST,
		ServerHeaderTransformation:   hcmv3.HttpConnectionManager_PASS_THROUGH,
		GenerateRequestId:            wrapperspb.Bool(false),
		HttpFilters:                  filters,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
			Name:         ListenerStats,
			VirtualHosts: []*routev3.VirtualHost{{Name: ListenerStats, Domains: []string{"*"}, Routes: statsRoutes()}},
		}},
	})
	if err != nil {
		return nil, err
	}
	listener := &listenerv3.Listener{
		Name:       ListenerStats,
		StatPrefix: ListenerStats,
		Address:    socket("0.0.0.0", c.StatsPort),
		// The counters of a proxy that drains are still wanted.
		DrainType: listenerv3.Listener_MODIFY_ONLY,
		// They are wanted most when the proxy has all the connections that it may have.
		IgnoreGlobalConnLimit: true,
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}
	if c.IPv6 {
		listener.AdditionalAddresses = []*listenerv3.AdditionalAddress{{Address: socket("::", c.StatsPort)}}
	}
	return listener, nil
}

// statsRoutes let GET through to what only reads, answer 405 to other methods and, as no route is left, 404 to the rest.
func statsRoutes() []*routev3.Route {
	open := []*routev3.RouteMatch{
		{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: "/stats"}},
		{PathSpecifier: &routev3.RouteMatch_Path{Path: "/ready"}},
		{PathSpecifier: &routev3.RouteMatch_Path{Path: "/server_info"}},
	}
	var routes []*routev3.Route
	for _, match := range open {
		get := &routev3.RouteMatch{PathSpecifier: match.PathSpecifier, Headers: []*routev3.HeaderMatcher{hasMethod("GET")}}
		routes = append(routes,
			&routev3.Route{Match: get, Action: &routev3.Route_Route{Route: &routev3.RouteAction{
				ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: ClusterAdmin},
			}}},
			&routev3.Route{Match: match, Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
				Status: 405,
				Body:   &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "only GET is allowed here\n"}},
			}}})
	}
	return routes
}

func hasMethod(method string) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: ":method", HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{
		StringMatch: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: method}},
	}}
}

// CASecretYAML is the SDS file that gives Envoy the CA bundle beside it; mesh keeps both in the ConfigMap
// sluice.ProxyConfigMap.
func CASecretYAML() string {
	return `resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: ` + sluice.CASecretName + `
  validation_context:
    trusted_ca: {filename: ` + sluice.ProxyDir + "/" + sluice.CAFile + `}
    watched_directory: {path: ` + sluice.ProxyDir + `}
`
}

// TokenSecretYAML is the SDS file that gives Envoy the pod's token; mesh keeps it in the ConfigMap
// sluice.ProxyConfigMap.
func TokenSecretYAML() string {
	return `resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: ` + sluice.TokenSecretName + `
  generic_secret:
    secret: {filename: ` + sluice.ProxyDir + "/" + sluice.TokenFile + `}
`
}
