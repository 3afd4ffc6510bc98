package xds

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/envoyproxy/go-control-plane/pkg/wellknown"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// httpConnections is what a connection manager differs in.
type httpConnections struct {
	statPrefix string
	// routes is the name of the route table.
	routes string
	log    *mesh.AccessLog
	// edge is set where clients, or a load balancer of theirs, are outside of the mesh.
	edge bool
	// healthPaths are where callers check the application's health.
	healthPaths []string
}

// connectionManager speaks HTTP/1.0, HTTP/1.1 and HTTP/2, whichever the client does.
func (t *translation) connectionManager(c httpConnections) *listenerv3.Filter {
	manager := &hcmv3.HttpConnectionManager{
		StatPrefix: c.statPrefix,
		CodecType:  hcmv3.HttpConnectionManager_AUTO,
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			RouteConfigName: c.routes,
			ConfigSource:    ads(),
		}},
		HttpFilters: append(t.healthFilters(c.healthPaths), &hcmv3.HttpFilter{
			Name:       wellknown.Router,
			ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: t.pack(&routerv3.Router{})},
		}),
		HttpProtocolOptions: &corev3.Http1ProtocolOptions{AcceptHttp_10: true},
		UpgradeConfigs:      []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		AccessLog:           t.accessLog(c.log),
		// Routes match what an application would see: /a/../b is /b, //b is /b.
		NormalizePath:                wrapperspb.Bool(true),
		MergeSlashes:                 true,
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_KEEP_UNCHANGED,
		// The tracer, and how many requests it sees, is in the bootstrap of each pod; most have none.
		Tracing: &hcmv3.HttpConnectionManager_Tracing{RandomSampling: &typev3.Percent{}},
	}
	if c.edge {
		// The peer's address goes into x-forwarded-for. With no trusted hop Envoy would also replace the
		// x-forwarded-proto of a load balancer that ends TLS, and applications behind it would redirect for ever.
		manager.UseRemoteAddress = wrapperspb.Bool(true)
		manager.XffNumTrustedHops = 1
	}
	return &listenerv3.Filter{Name: wellknown.HTTPConnectionManager, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: t.pack(manager)}}
}

// ads asks on the one stream that everything comes from. A proxy waits for its first answer as long as it takes:
// with Envoy's timeout it would serve 404 to everybody instead.
func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   durationpb.New(0),
	}
}
