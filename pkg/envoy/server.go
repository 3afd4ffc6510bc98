package envoy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	deltav3 "github.com/envoyproxy/go-control-plane/pkg/server/delta/v3"
	sotwv3 "github.com/envoyproxy/go-control-plane/pkg/server/sotw/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/keepalive"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// Defaults of Config.
const (
	// DefaultStreamAge is the mean life of a stream. It also bounds how long a stream outlives its token.
	DefaultStreamAge = 30 * time.Minute
	// DefaultDrain is how long a stopping server takes to end its streams, so that proxies do not all come to the others at once.
	DefaultDrain = 5 * time.Second
	// DefaultSecretRetry is how long after a proxy refused a secret it is asked again. The kubelet takes about as long to
	// bring a changed Secret into a pod.
	DefaultSecretRetry = time.Minute
)

// Transport limits.
const (
	// maxRequest bounds a proxy's message. The longest is a reconnect that states every version it has.
	maxRequest = 4 << 20
	// maxStreams per connection: Envoy needs one for ADS and one for load reports.
	maxStreams = 16
	// writeBuffer of a connection; an idle one has none. Reading needs no buffer beside that of TLS.
	writeBuffer = 8 << 10
	// minPing is the shortest keepalive interval a proxy may use; faster ones are closed as abuse.
	minPing = 5 * time.Second
	// pingIdle and pingTimeout find proxies that vanished without a word.
	pingIdle, pingTimeout = 30 * time.Second, 15 * time.Second
)

// Why we end a stream.
var (
	errAge   = errors.New("the stream is old enough")
	errDrain = errors.New("the server is stopping")
)

// Config is what a Server needs. Certificate, Verifier and Binder are required.
type Config struct {
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Verifier    Verifier
	Binder      Binder
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	// StreamAge is the mean life of a stream; each gets between 80 and 120 % of it. Zero means DefaultStreamAge.
	StreamAge time.Duration
	// Drain is the time over which a stopping server ends its streams. Zero means DefaultDrain.
	Drain time.Duration
	// SecretRetry is when a refused secret is sent again. Zero means DefaultSecretRetry.
	SecretRetry time.Duration
}

// Server serves published configuration to authenticated proxies.
type Server struct {
	config  Config
	log     *slog.Logger
	store   *store
	streams streams
	loads   *loads
	metrics *metrics
	// changes counts whatever may change what a proxy has made of what is published.
	changes atomic.Uint64
	// draining is done when the server stops.
	draining context.Context
	drain    context.CancelFunc
}

// NewServer returns a server that serves nothing until Publish.
func NewServer(config Config) *Server {
	if config.StreamAge == 0 {
		config.StreamAge = DefaultStreamAge
	}
	if config.Drain == 0 {
		config.Drain = DefaultDrain
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config, log: config.Log, store: newStore()}
	s.loads = newLoads(s.store)
	s.draining, s.drain = context.WithCancel(context.Background())
	s.metrics = newMetrics(config.Metrics, s)
	return s
}

// Publish replaces everything that is served: all was made from the model. Only what differs is sent. Neither must be
// changed afterwards.
func (s *Server) Publish(model *mesh.Model, all map[mesh.ProxyID]*xds.Resources) error {
	defer s.changed()
	r := newRound(time.Now(), s.metrics.rounds)
	defer r.leave()
	if err := s.store.publish(model, all, r); err != nil {
		return err
	}
	s.loads.published()
	return nil
}

// changed wakes those who wait for a verdict.
func (s *Server) changed() { s.changes.Add(1) }

// Status lists the connected proxies and what each acknowledged.
func (s *Server) Status() []ProxyStatus { return s.streams.status() }

// Serve accepts proxies until ctx is done, then ends the streams and returns. A Server serves once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := grpc.NewServer(s.options()...)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, s)
	loadstatsv3.RegisterLoadReportingServiceServer(server, s)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve xDS: %w", err)
	case <-ctx.Done():
	}
	s.drain()
	// A proxy that does not read keeps its stream open; it is cut off after a second drain period.
	cut := time.AfterFunc(2*s.config.Drain+time.Second, server.Stop)
	defer cut.Stop()
	server.GracefulStop()
	return nil
}

func (s *Server) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.Creds(credentials.NewTLS(&tls.Config{GetCertificate: s.config.Certificate, MinVersion: tls.VersionTLS12})),
		grpc.ChainStreamInterceptor(s.authenticate),
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(grpcproto.Name)}),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.ReadBufferSize(0),
		grpc.WriteBufferSize(writeBuffer),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time:    pingIdle,
			Timeout: pingTimeout,
			// A connection is told to take no new stream before the first of its streams can end (80 % of the age; gRPC
			// varies this value by 10 %). So the next stream of the proxy comes on a new connection, perhaps to another replica.
			MaxConnectionAge:      s.config.StreamAge * 7 / 10,
			MaxConnectionAgeGrace: s.config.StreamAge,
		}),
	}
}

// DeltaAggregatedResources serves one stream of the incremental variant.
func (s *Server) DeltaAggregatedResources(ss discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return s.run(ss.Context(), protocolDelta, func(ctx context.Context, st *stream) error {
		return deltav3.NewServer(ctx, st, st).DeltaStreamHandler(ss, resourcev3.AnyType)
	})
}

// StreamAggregatedResources serves one stream of the state-of-the-world variant.
func (s *Server) StreamAggregatedResources(ss discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return s.run(ss.Context(), protocolSotw, func(ctx context.Context, st *stream) error {
		return sotwv3.NewServer(ctx, st, st, sotwv3.WithOrderedADS()).StreamHandler(ss, resourcev3.AnyType)
	})
}

// run lives as long as one ADS stream. The message loop ends with status OK when its context is done, so ageing and
// draining look to the proxy like an ordinary end, and it connects again.
func (s *Server) run(ctx context.Context, protocol string, loop func(context.Context, *stream) error) error {
	pod, err := podOf(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.lifetime(ctx)
	defer cancel(nil)

	st := &stream{
		server: s, ctx: ctx, pod: pod, protocol: protocol, since: time.Now(), feed: newFeed(),
		types: map[string]TypeStatus{},
	}
	if s.config.SecretRetry > 0 {
		st.feed.retryAfter = s.config.SecretRetry
	}
	defer st.close()
	err = loop(ctx, st)
	s.ended(context.Cause(ctx), err, pod)
	return err
}

// lifetime is the context of a stream, which ends by age or when the server drains. The stream must end it.
func (s *Server) lifetime(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	age := time.AfterFunc(spread(s.config.StreamAge), func() { cancel(errAge) })
	stop := context.AfterFunc(s.draining, func() {
		time.AfterFunc(rand.N(s.config.Drain), func() { cancel(errDrain) })
	})
	return ctx, func(cause error) {
		stop()
		age.Stop()
		cancel(cause)
	}
}

// ended counts why a stream ended.
func (s *Server) ended(cause, err error, pod PodIdentity) {
	reason := "client"
	switch {
	case err != nil:
		reason = "refused"
		s.log.Warn("stream refused", "pod", pod.Name, "namespace", pod.Namespace, "error", err)
	case errors.Is(cause, errAge):
		reason = "age"
	case errors.Is(cause, errDrain):
		reason = "drain"
	}
	s.metrics.ends.WithLabelValues(reason).Inc()
}

// spread returns d ± 20 %, so that streams which began together do not end together.
func spread(d time.Duration) time.Duration {
	return d*8/10 + rand.N(d*4/10+1)
}
