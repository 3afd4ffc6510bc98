package xds

import (
	"net/netip"
	"strings"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	original_dstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	tls_inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/envoyproxy/go-control-plane/pkg/wellknown"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// listenOn opens the port on every address of the pod, as far as the mesh wants. An IPv6 socket of an IPv6 mesh takes
// IPv4 too, for kubelet's probes.
//
// A mesh without a preference keeps the address that statistics are named after, and listens on IPv6 beside it; but
// only where pods have IPv6 addresses, because on a kernel without IPv6 Envoy refuses the whole listener.
func (t *translation) listenOn(l *listenerv3.Listener, family mesh.AddressFamily, port uint32) {
	switch {
	case family == mesh.IPv6:
		l.Address = socket("::", port)
		l.Address.GetSocketAddress().Ipv4Compat = true
	case family == "" && t.model.IPv6:
		l.AdditionalAddresses = []*listenerv3.AdditionalAddress{{Address: socket("::", port)}}
		fallthrough
	default:
		l.Address = socket("0.0.0.0", port)
	}
}

// HasIPv6 says whether the addresses of a pod, separated by commas as in a variable of the field status.podIPs, include
// one of IPv6. One pod speaks for its cluster: a cluster gives addresses of the same families to all.
func HasIPv6(podIPs string) bool {
	for text := range strings.SplitSeq(podIPs, ",") {
		if a, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil && a.Is6() {
			return true
		}
	}
	return false
}

// portChain takes the connections whose original destination has the port. Its name is stable: Envoy drains only the
// chains that changed when it gets a listener that differs in nothing but chains.
func portChain(name string, port uint32, filter *listenerv3.Filter) *listenerv3.FilterChain {
	return &listenerv3.FilterChain{
		Name:             name,
		FilterChainMatch: &listenerv3.FilterChainMatch{DestinationPort: wrapperspb.UInt32(port)},
		Filters:          []*listenerv3.Filter{filter},
	}
}

// originalDestination restores where a redirected connection was going. The listener keeps the connection; only the
// matching of chains, and the passthrough clusters, look at it.
func (t *translation) originalDestination() *listenerv3.ListenerFilter {
	return &listenerv3.ListenerFilter{
		Name:       wellknown.OriginalDestination,
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: t.pack(&original_dstv3.OriginalDst{})},
	}
}

// tlsInspector finds out on the given ports whether a connection is TLS, and for which server. Elsewhere it would wait
// for the client to speak first, which hangs protocols in which the server does.
func (t *translation) tlsInspector(ports ...uint32) *listenerv3.ListenerFilter {
	var rules []*listenerv3.ListenerFilterChainMatchPredicate
	for _, p := range ports {
		rules = append(rules, &listenerv3.ListenerFilterChainMatchPredicate{Rule: &listenerv3.ListenerFilterChainMatchPredicate_DestinationPortRange{
			DestinationPortRange: &typev3.Int32Range{Start: int32(p), End: int32(p) + 1},
		}})
	}
	on := rules[0]
	if len(rules) > 1 {
		on = &listenerv3.ListenerFilterChainMatchPredicate{Rule: &listenerv3.ListenerFilterChainMatchPredicate_OrMatch{
			OrMatch: &listenerv3.ListenerFilterChainMatchPredicate_MatchSet{Rules: rules},
		}}
	}
	return &listenerv3.ListenerFilter{
		Name:           wellknown.TlsInspector,
		ConfigType:     &listenerv3.ListenerFilter_TypedConfig{TypedConfig: t.pack(&tls_inspectorv3.TlsInspector{})},
		FilterDisabled: &listenerv3.ListenerFilterChainMatchPredicate{Rule: &listenerv3.ListenerFilterChainMatchPredicate_NotMatch{NotMatch: on}},
	}
}

// serverFirst is how long a permissive TCP port waits for the client to say whether it wants TLS. A client that waits
// for the server, as that of a database may, gets a plain connection then.
const serverFirst = time.Second

// inspect adds a TLS inspector for the ports that take both kinds of connections.
func (t *translation) inspect(l *listenerv3.Listener, ports []mesh.IngressPort) {
	var permissive []uint32
	for _, p := range ports {
		if p.TLS == nil || p.TLS.Mode != mesh.TLSPermissive {
			continue
		}
		permissive = append(permissive, p.Port)
		if !p.Protocol.IsHTTP() {
			l.ListenerFiltersTimeout, l.ContinueOnListenerFiltersTimeout = durationpb.New(serverFirst), true
		}
	}
	if len(permissive) > 0 {
		l.ListenerFilters = append(l.ListenerFilters, t.tlsInspector(permissive...))
	}
}

// tcpConnections is what a TCP proxy differs in.
type tcpConnections struct {
	statPrefix string
	targets    []mesh.Target
	// idle closes a silent connection; nil leaves Envoy's hour.
	idle *mesh.Duration
	log  *mesh.AccessLog
}

func (t *translation) tcpProxy(c tcpConnections) *listenerv3.Filter {
	proxy := &tcpv3.TcpProxy{StatPrefix: c.statPrefix, AccessLog: t.accessLog(c.log)}
	if c.idle != nil {
		proxy.IdleTimeout = duration(*c.idle)
	}
	if len(c.targets) == 1 {
		proxy.ClusterSpecifier = &tcpv3.TcpProxy_Cluster{Cluster: c.targets[0].Cluster}
	} else {
		weighted := &tcpv3.TcpProxy_WeightedCluster{}
		for _, target := range c.targets {
			// Unlike a route, a TCP proxy refuses a weight of 0.
			if target.Weight > 0 {
				weighted.Clusters = append(weighted.Clusters, &tcpv3.TcpProxy_WeightedCluster_ClusterWeight{Name: target.Cluster, Weight: target.Weight})
			}
		}
		proxy.ClusterSpecifier = &tcpv3.TcpProxy_WeightedClusters{WeightedClusters: weighted}
	}
	return &listenerv3.Filter{Name: wellknown.TCPProxy, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: t.pack(proxy)}}
}
