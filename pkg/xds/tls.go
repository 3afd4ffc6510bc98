package xds

import (
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/envoyproxy/go-control-plane/pkg/wellknown"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// ALPN protocols.
const (
	alpnHTTP1 = "http/1.1"
	alpnHTTP2 = "h2"
)

// serverSocket is the TLS of a listener.
func (t *translation) serverSocket(s *mesh.ServerTLS, protocol mesh.Protocol) *corev3.TransportSocket {
	common := t.commonTLS(&s.Certificate, s.Validation)
	if protocol.IsHTTP() {
		// As without TLS: the listener understands both, whatever its own protocol is.
		common.AlpnProtocols = []string{alpnHTTP2, alpnHTTP1}
	}
	out := &tlsv3.DownstreamTlsContext{CommonTlsContext: common}
	if s.Validation != nil {
		out.RequireClientCertificate = wrapperspb.Bool(true)
	}
	return t.tlsSocket(out)
}

// clientSocket is the TLS of connections to a cluster.
func (t *translation) clientSocket(c *mesh.ClientTLS, protocol mesh.Protocol) *corev3.TransportSocket {
	common := t.commonTLS(c.Certificate, c.Validation)
	switch protocol {
	case mesh.HTTP:
		common.AlpnProtocols = []string{alpnHTTP1}
	case mesh.HTTP2, mesh.GRPC:
		common.AlpnProtocols = []string{alpnHTTP2}
	}
	out := &tlsv3.UpstreamTlsContext{CommonTlsContext: common}
	if _, err := netip.ParseAddr(c.ServerName); err != nil { // an address is no server name
		out.Sni = c.ServerName
	}
	return t.tlsSocket(out)
}

func (t *translation) tlsSocket(context proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name:       wellknown.TransportSocketTls,
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: t.pack(context)},
	}
}

func (t *translation) commonTLS(c *mesh.Certificate, v *mesh.Validation) *tlsv3.CommonTlsContext {
	out := &tlsv3.CommonTlsContext{TlsParams: &tlsv3.TlsParameters{
		TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
		TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
	}}
	if c != nil {
		out.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{t.certificateSecret(*c)}
	}
	switch {
	case v == nil:
	case v.Trust == nil:
		out.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: nobody()}
	default:
		out.ValidationContextType = &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext:         &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: subjects(v.Names)},
				ValidationContextSdsSecretConfig: t.authoritiesSecret(*v.Trust),
			},
		}
	}
	return out
}

// nobody accepts no certificate: none has this hash.
func nobody() *tlsv3.CertificateValidationContext {
	return &tlsv3.CertificateValidationContext{VerifyCertificateHash: []string{strings.Repeat("00", 32)}}
}

// subjects match whole names. Envoy wants to know of which kind a name is, which its form tells.
func subjects(names []string) []*tlsv3.SubjectAltNameMatcher {
	var out []*tlsv3.SubjectAltNameMatcher
	for _, name := range names {
		out = append(out, &tlsv3.SubjectAltNameMatcher{
			SanType: subjectKind(name),
			Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name}},
		})
	}
	return out
}

func subjectKind(name string) tlsv3.SubjectAltNameMatcher_SanType {
	_, err := netip.ParseAddr(name)
	switch {
	case err == nil:
		return tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	case strings.Contains(name, ":"):
		return tlsv3.SubjectAltNameMatcher_URI
	case strings.Contains(name, "@"):
		return tlsv3.SubjectAltNameMatcher_EMAIL
	default:
		return tlsv3.SubjectAltNameMatcher_DNS
	}
}

// secured gives the chains of a port. A permissive one has two, and the listener's TLS inspector tells which of them a
// connection takes; they differ in the socket alone.
func (t *translation) secured(chain *listenerv3.FilterChain, s *mesh.ServerTLS, protocol mesh.Protocol) []*listenerv3.FilterChain {
	if s == nil {
		return []*listenerv3.FilterChain{chain}
	}
	if s.Mode != mesh.TLSPermissive {
		chain.TransportSocket = t.serverSocket(s, protocol)
		return []*listenerv3.FilterChain{chain}
	}
	encrypted := proto.Clone(chain).(*listenerv3.FilterChain)
	encrypted.Name += "_tls"
	if encrypted.FilterChainMatch == nil {
		encrypted.FilterChainMatch = &listenerv3.FilterChainMatch{}
	}
	encrypted.FilterChainMatch.TransportProtocol = "tls"
	encrypted.TransportSocket = t.serverSocket(s, protocol)
	return []*listenerv3.FilterChain{encrypted, chain}
}
