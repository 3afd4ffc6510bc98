package envoy

import (
	"cmp"
	"context"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// bindTimeout bounds the question which proxy a pod is, which may go to the API server.
const bindTimeout = 10 * time.Second

// Protocol variants as they appear in the status.
const (
	protocolDelta = "delta"
	protocolSotw  = "sotw"
)

// stream is one ADS stream. It is the cache and the callbacks of go-control-plane's message loop for this stream only,
// so no state needs to be found again by a stream number.
type stream struct {
	server   *Server
	ctx      context.Context
	pod      PodIdentity
	protocol string
	since    time.Time
	feed     *feed
	// detach is set once the proxy told who it is.
	detach func()

	mu    sync.Mutex
	proxy mesh.ProxyID
	types map[string]TypeStatus
}

// begin reads the first request of the stream.
func (s *stream) begin(node *corev3.Node) error {
	proxy, err := s.server.proxyOf(s.ctx, s.pod, node.GetId())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proxy = proxy
	s.mu.Unlock()
	s.server.streams.add(s)
	s.detach = s.server.store.attach(proxy, s.feed)
	s.server.changed()
	s.server.log.Debug("proxy connected", "pod", s.pod.Name, "namespace", s.pod.Namespace, "proxy", proxy.Name, "protocol", s.protocol)
	return nil
}

// proxyOf reads the first message of a stream: which node it claims to be, and which configuration that node gets.
func (s *Server) proxyOf(ctx context.Context, pod PodIdentity, node string) (mesh.ProxyID, error) {
	if err := checkNode(node, pod); err != nil {
		return mesh.ProxyID{}, status.Error(codes.PermissionDenied, err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	proxy, err := s.config.Binder.ProxyOf(ctx, pod)
	if err != nil {
		return mesh.ProxyID{}, status.Errorf(codes.PermissionDenied, "no configuration for pod %s/%s: %v", pod.Namespace, pod.Name, err)
	}
	return proxy, nil
}

// request is called for every message of the proxy, before its watch is opened.
func (s *stream) request(typeURL, version, nonce string, node *corev3.Node, refusal *rpcstatus.Status) error {
	if s.detach == nil {
		if err := s.begin(node); err != nil {
			return err
		}
	}
	if nonce == "" {
		s.feed.bring(typeURL, version)
		return nil
	}
	s.verdict(typeURL, nonce, refusal)
	return nil
}

// verdict records an ACK or a NACK. A further request with the same nonce changes the subscription, it is not a second verdict.
func (s *stream) verdict(typeURL, nonce string, refusal *rpcstatus.Status) {
	v := verdict{nonce: nonce, at: time.Now()}
	if refusal != nil {
		v.message = cmp.Or(refusal.GetMessage(), "refused without a word")
	}
	a := s.feed.heard(typeURL, v)
	if a == nil {
		return
	}
	s.mu.Lock()
	t := s.types[typeURL]
	if refusal == nil {
		t.Acked = a.version
	}
	s.types[typeURL] = t
	s.mu.Unlock()

	m := s.server.metrics
	m.latency.WithLabelValues(typeName(typeURL)).Observe(v.at.Sub(t.SentAt).Seconds())
	if refusal == nil {
		m.acks.WithLabelValues(typeName(typeURL)).Inc()
		return
	}
	m.nacks.WithLabelValues(typeName(typeURL)).Inc()
	s.server.log.Warn("proxy refused its configuration", "pod", s.pod.Name, "namespace", s.pod.Namespace,
		"type", typeName(typeURL), "version", a.version, "error", v.message)
}

// response is called right before a message is written.
func (s *stream) response(typeURL, version, nonce string) {
	s.mu.Lock()
	t := s.types[typeURL]
	t.Sent, t.SentAt = version, time.Now()
	s.types[typeURL] = t
	s.mu.Unlock()
	s.server.metrics.pushes.WithLabelValues(typeName(typeURL)).Inc()
	s.feed.sent(typeURL, nonce)
}

// boundTo returns the proxy that the pod is.
func (s *stream) boundTo() mesh.ProxyID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proxy
}

func (s *stream) status() ProxyStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ProxyStatus{Pod: s.pod, Proxy: s.proxy, Protocol: s.protocol, Since: s.since, Types: make(map[string]TypeStatus, len(s.types))}
	for typeURL, t := range s.types {
		out.Types[typeName(typeURL)] = t
	}
	out.Refused = refusals(s.feed.standing(), s.server.store.current(), s.proxy)
	return out
}

// close ends the stream's part in everything.
func (s *stream) close() {
	s.feed.close()
	if s.detach != nil {
		s.detach()
		s.server.streams.remove(s)
		s.server.changed()
	}
}

// CreateDeltaWatch implements go-control-plane's cache for the delta loop.
func (s *stream) CreateDeltaWatch(req *discoveryv3.DeltaDiscoveryRequest, sub cachev3.Subscription, out chan cachev3.DeltaResponse) (func(), error) {
	defer s.server.changed()
	return s.feed.open(req.GetTypeUrl(), func(*line) watch {
		return &deltaWatch{typeURL: req.GetTypeUrl(), sub: sub, out: out}
	}), nil
}

// CreateWatch implements go-control-plane's cache for the state-of-the-world loop.
func (s *stream) CreateWatch(req *discoveryv3.DiscoveryRequest, sub cachev3.Subscription, out chan cachev3.Response) (func(), error) {
	defer s.server.changed()
	return s.feed.open(req.GetTypeUrl(), func(l *line) watch {
		return &sotwWatch{typeURL: req.GetTypeUrl(), sub: sub, out: out, line: l}
	}), nil
}

// OnDeltaStreamOpen implements go-control-plane's callbacks; the interceptor has done all there is to do.
func (s *stream) OnDeltaStreamOpen(context.Context, int64, string) error { return nil }

// OnStreamOpen implements go-control-plane's callbacks.
func (s *stream) OnStreamOpen(context.Context, int64, string) error { return nil }

// OnDeltaStreamClosed implements go-control-plane's callbacks; the server closes the stream.
func (s *stream) OnDeltaStreamClosed(int64, *corev3.Node) {}

// OnStreamClosed implements go-control-plane's callbacks.
func (s *stream) OnStreamClosed(int64, *corev3.Node) {}

// OnStreamDeltaRequest implements go-control-plane's callbacks.
func (s *stream) OnStreamDeltaRequest(_ int64, req *discoveryv3.DeltaDiscoveryRequest) error {
	err := s.request(req.GetTypeUrl(), "", req.GetResponseNonce(), req.GetNode(), req.GetErrorDetail())
	// Envoy describes all its extensions in its node; the loop would keep that for as long as the stream lives.
	req.Node = nil
	return err
}

// OnStreamRequest implements go-control-plane's callbacks.
func (s *stream) OnStreamRequest(_ int64, req *discoveryv3.DiscoveryRequest) error {
	err := s.request(req.GetTypeUrl(), req.GetVersionInfo(), req.GetResponseNonce(), req.GetNode(), req.GetErrorDetail())
	// Here the loop has kept the node already, so it is emptied in place.
	if node := req.GetNode(); node != nil {
		proto.Reset(node)
	}
	return err
}

// OnStreamDeltaResponse implements go-control-plane's callbacks.
func (s *stream) OnStreamDeltaResponse(_ int64, req *discoveryv3.DeltaDiscoveryRequest, resp *discoveryv3.DeltaDiscoveryResponse) {
	s.response(req.GetTypeUrl(), resp.GetSystemVersionInfo(), resp.GetNonce())
}

// OnStreamResponse implements go-control-plane's callbacks.
func (s *stream) OnStreamResponse(_ context.Context, _ int64, req *discoveryv3.DiscoveryRequest, resp *discoveryv3.DiscoveryResponse) {
	s.response(req.GetTypeUrl(), resp.GetVersionInfo(), resp.GetNonce())
}
