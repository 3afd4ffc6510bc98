package xds

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dnscommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	injectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/credential_injector/v3"
	codecv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	genericv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/injected_credentials/generic/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

const (
	httpProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

	// xdsResolve is how often Envoy looks for new replicas of mesh, xdsRetry how often while there are none.
	xdsResolve  = 30 * time.Second
	xdsRetry    = time.Second
	xdsRetryMax = 5 * time.Second
	// xdsReconnect is how soon Envoy opens a stream again that was closed, at first and at most. New pods wait for
	// it while mesh is away, so it is short; Envoy draws each wait at random below the limit.
	xdsReconnect    = 200 * time.Millisecond
	xdsReconnectMax = time.Second
	// xdsConnect bounds one attempt where a network drops what nobody answers instead of refusing it.
	xdsConnect = 2 * time.Second
	// xdsKeepalive is how often Envoy asks whether a silent connection still lives, xdsSilence how long it waits.
	// A node that vanished sends no reset; without the question its proxies would be deaf for many minutes.
	xdsKeepalive = 30 * time.Second
	xdsSilence   = 10 * time.Second
)

// xdsCluster reaches mesh over TLS with the pod's token in every request.
func xdsCluster(c BootstrapConfig) (*clusterv3.Cluster, error) {
	tls, err := typed(xdsTLS(c))
	if err != nil {
		return nil, err
	}
	options, err := xdsOptions(c)
	if err != nil {
		return nil, err
	}
	discovery, err := typed(&dnsv3.DnsCluster{
		DnsRefreshRate:        durationpb.New(xdsResolve),
		DnsFailureRefreshRate: &dnsv3.DnsCluster_RefreshRate{BaseInterval: durationpb.New(xdsRetry), MaxInterval: durationpb.New(xdsRetryMax)},
		DnsLookupFamily:       dnscommonv3.DnsLookupFamily_V4_PREFERRED,
	})
	if err != nil {
		return nil, err
	}
	return &clusterv3.Cluster{
		Name: ClusterXDS,
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name: "envoy.cluster.dns", TypedConfig: discovery,
		}},
		ConnectTimeout: durationpb.New(xdsConnect),
		// All replicas know the same, so any will do; random spreads proxies that start together.
		LbPolicy:       clusterv3.Cluster_RANDOM,
		LoadAssignment: oneEndpoint(ClusterXDS, socket(c.Host, c.Port)),
		TransportSocket: &corev3.TransportSocket{
			Name:       "envoy.transport_sockets.tls",
			ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: tls},
		},
		TypedExtensionProtocolOptions: map[string]*anypb.Any{httpProtocolOptions: options},
	}, nil
}

// xdsTLS trusts mesh by the CA of the SDS file and the name in its certificate.
func xdsTLS(c BootstrapConfig) *tlsv3.UpstreamTlsContext {
	return &tlsv3.UpstreamTlsContext{
		Sni: c.ServerName,
		CommonTlsContext: &tlsv3.CommonTlsContext{
			AlpnProtocols: []string{"h2"},
			TlsParams:     &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
			ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
				CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
					DefaultValidationContext: &tlsv3.CertificateValidationContext{
						MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
							SanType: tlsv3.SubjectAltNameMatcher_DNS,
							Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: c.ServerName}},
						}},
					},
					ValidationContextSdsSecretConfig: secretFile(c, sluice.CASecretName, sluice.CASecretFile),
				},
			},
		},
	}
}

// xdsOptions speaks HTTP/2 and lets Envoy add the token to its own requests.
func xdsOptions(c BootstrapConfig) (*anypb.Any, error) {
	credential, err := typed(&genericv3.Generic{
		Credential:        secretFile(c, sluice.TokenSecretName, sluice.TokenSecretFile),
		Header:            "Authorization",
		HeaderValuePrefix: "Bearer ",
	})
	if err != nil {
		return nil, err
	}
	injector := &injectorv3.CredentialInjector{
		Overwrite:  true,
		Credential: &corev3.TypedExtensionConfig{Name: "envoy.http.injected_credentials.generic", TypedConfig: credential},
	}
	filters, err := httpFilters(
		named("envoy.filters.http.credential_injector", injector),
		named("envoy.filters.http.upstream_codec", &codecv3.UpstreamCodec{}), // the last, which sends
	)
	if err != nil {
		return nil, err
	}
	return typed(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{ConnectionKeepalive: &corev3.KeepaliveSettings{
						Interval: durationpb.New(xdsKeepalive), Timeout: durationpb.New(xdsSilence),
					}},
				},
			},
		},
		HttpFilters: filters,
	})
}

// secretFile reads a secret from an SDS file of the proxy's volume. The kubelet replaces all files of that volume by
// renaming one symbolic link in its directory, which is what the directory is watched for.
func secretFile(c BootstrapConfig, name, file string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{
		Name: name,
		SdsConfig: &corev3.ConfigSource{
			ResourceApiVersion:  corev3.ApiVersion_V3,
			InitialFetchTimeout: durationpb.New(0),
			ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
				Path:             c.ProxyDir + "/" + file,
				WatchedDirectory: &corev3.WatchedDirectory{Path: c.ProxyDir},
			}},
		},
	}
}

// filter is an HTTP filter by its well-known name.
type filter struct {
	name   string
	config proto.Message
}

func named(name string, config proto.Message) filter { return filter{name, config} }

func httpFilters(list ...filter) ([]*hcmv3.HttpFilter, error) {
	var filters []*hcmv3.HttpFilter
	for _, f := range list {
		config, err := typed(f.config)
		if err != nil {
			return nil, err
		}
		filters = append(filters, &hcmv3.HttpFilter{Name: f.name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: config}})
	}
	return filters, nil
}
