package xds

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// How long to wait for a connection: on the own pod, in the cluster, and wherever passthrough leads.
const (
	localConnectTimeout       = 250 * time.Millisecond
	egressConnectTimeout      = time.Second
	passthroughConnectTimeout = 10 * time.Second
)

// localhost is where an application listens behind its sidecar, whatever else it listens on.
const localhost = "127.0.0.1"

// ingressCluster is the application itself. The gate of releases reads this cluster's counters.
func ingressCluster(p mesh.IngressPort) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                          p.Cluster,
		ConnectTimeout:                durationpb.New(localConnectTimeout),
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment:                loadAssignment(p.Cluster, []mesh.Address{{IP: localhost, Port: p.Port}}, 0),
		CircuitBreakers:               circuitBreakers(p.Limits),
		TypedExtensionProtocolOptions: upstreamProtocol(p.Protocol),
	}
}

// egressCluster is a virtual node's listener as its callers see it.
func egressCluster(c *mesh.Cluster) *clusterv3.Cluster {
	out := &clusterv3.Cluster{
		Name:                          c.Name,
		ConnectTimeout:                durationpb.New(egressConnectTimeout),
		CircuitBreakers:               circuitBreakers(nil),
		TypedExtensionProtocolOptions: upstreamProtocol(c.Protocol),
	}
	checkHealth(out, c)
	out.OutlierDetection = outlierDetection(c.OutlierDetection)
	if c.DNS == nil {
		out.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
		out.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()}
		return out
	}
	kind := clusterv3.Cluster_LOGICAL_DNS
	if c.DNS.Endpoints {
		kind = clusterv3.Cluster_STRICT_DNS
	}
	out.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: kind}
	out.LoadAssignment = loadAssignment(c.Name, []mesh.Address{{IP: c.DNS.Hostname, Port: c.Port}}, healthPort(c))
	switch c.Addresses {
	case mesh.IPv4:
		out.DnsLookupFamily = clusterv3.Cluster_V4_ONLY
	case mesh.IPv6:
		out.DnsLookupFamily = clusterv3.Cluster_V6_ONLY
	default:
		out.DnsLookupFamily = clusterv3.Cluster_AUTO
	}
	return out
}

// passthroughCluster connects to where the application was going, in the protocol that it speaks.
func passthroughCluster(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                          name,
		ConnectTimeout:                durationpb.New(passthroughConnectTimeout),
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_ORIGINAL_DST},
		LbPolicy:                      clusterv3.Cluster_CLUSTER_PROVIDED,
		CircuitBreakers:               circuitBreakers(nil),
		TypedExtensionProtocolOptions: asDownstream,
	}
}

// loadAssignment holds addresses, or none: an empty one is sent too, since Envoy would wait for a missing one. Their health
// is checked at healthPort, or, if that is 0, where they are called.
func loadAssignment(name string, addresses []mesh.Address, healthPort uint32) *endpointv3.ClusterLoadAssignment {
	out := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	if len(addresses) == 0 {
		return out
	}
	locality := &endpointv3.LocalityLbEndpoints{}
	var health *endpointv3.Endpoint_HealthCheckConfig
	if healthPort != 0 {
		health = &endpointv3.Endpoint_HealthCheckConfig{PortValue: healthPort}
	}
	for _, a := range addresses {
		locality.LbEndpoints = append(locality.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{HealthCheckConfig: health, Address: &corev3.Address{
				Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
					Address: a.IP, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: a.Port},
				}},
			}}},
		})
	}
	out.Endpoints = []*endpointv3.LocalityLbEndpoints{locality}
	return out
}

// httpOptions is the key under which Envoy looks for the protocol of a cluster.
const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// The options hold no state, so that all clusters share them. HTTP/1.1 needs none.
var (
	http2Only = protocolOptions(&httpv3.HttpProtocolOptions{UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}},
		},
	}})
	asDownstream = protocolOptions(&httpv3.HttpProtocolOptions{UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_UseDownstreamProtocolConfig{
		UseDownstreamProtocolConfig: &httpv3.HttpProtocolOptions_UseDownstreamHttpConfig{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{}, Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
		},
	}})
)

func upstreamProtocol(p mesh.Protocol) map[string]*anypb.Any {
	if p == mesh.HTTP2 || p == mesh.GRPC {
		return http2Only
	}
	return nil
}

func protocolOptions(m proto.Message) map[string]*anypb.Any {
	return map[string]*anypb.Any{httpOptions: mustPack(m)}
}
