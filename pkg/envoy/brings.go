package envoy

import (
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
)

// names of resources, by type.
type names map[string][]string

// brings reads which names a proxy with a resource asks for: a cluster's endpoints and secrets, a listener's routes.
// Those for which Envoy keeps the old resource in use until it has them are left out: nothing has to wait for them.
func brings(m proto.Message) names {
	switch m := m.(type) {
	case *clusterv3.Cluster:
		out := names{}
		if endpoints := endpointsOf(m); endpoints != "" {
			out[resourcev3.EndpointType] = []string{endpoints}
		}
		if secrets := secretsOf(m); len(secrets) > 0 {
			out[resourcev3.SecretType] = secrets
		}
		return out
	case *listenerv3.Listener:
		if routes := routesOf(m); len(routes) > 0 {
			return names{resourcev3.RouteType: routes}
		}
	}
	return nil
}

func endpointsOf(c *clusterv3.Cluster) string {
	if c.GetType() != clusterv3.Cluster_EDS {
		return ""
	}
	if name := c.GetEdsClusterConfig().GetServiceName(); name != "" {
		return name
	}
	return c.GetName()
}

func routesOf(l *listenerv3.Listener) []string {
	var out []string
	for _, chain := range slices.Concat(l.GetFilterChains(), []*listenerv3.FilterChain{l.GetDefaultFilterChain()}) {
		for _, filter := range chain.GetFilters() {
			if name := resourcev3.GetHTTPConnectionManager(filter).GetRds().GetRouteConfigName(); name != "" {
				out = append(out, name)
			}
		}
	}
	return out
}

// secretsOf leaves out what the cluster gets from others than us.
func secretsOf(c *clusterv3.Cluster) []string {
	if c.GetTransportSocket().GetTypedConfig() == nil {
		return nil
	}
	var tls tlsv3.UpstreamTlsContext
	if err := c.GetTransportSocket().GetTypedConfig().UnmarshalTo(&tls); err != nil {
		return nil // another kind of socket
	}
	common := tls.GetCommonTlsContext()
	configs := slices.Concat(common.GetTlsCertificateSdsSecretConfigs(), []*tlsv3.SdsSecretConfig{
		common.GetValidationContextSdsSecretConfig(), common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig(),
	})
	var out []string
	for _, config := range configs {
		if config.GetSdsConfig().GetAds() != nil {
			out = append(out, config.GetName())
		}
	}
	return out
}
