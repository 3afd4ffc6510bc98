package envoy

import (
	"context"
	"errors"
	"sync"
	"time"

	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// errMoved is why the report stream of a pod ends that opened another.
var errMoved = errors.New("the pod opened another stream")

// reporter is one stream of load reports.
type reporter struct {
	pod   PodIdentity
	proxy mesh.ProxyID
	end   context.CancelCauseFunc

	// sending is held by whoever sends, and by whoever ends the stream for good, which is then over.
	sending sync.Mutex
	over    bool
	stream  loadstatsv3.LoadReportingService_StreamLoadStatsServer

	// What follows is guarded by loads: what the proxy reports on, how often (0 if it was never told), whether somebody is
	// about to tell it, and how many requests were open at its last report of a cluster.
	clusters []string
	interval time.Duration
	telling  bool
	open     map[string]uint64
}

// wake is the interval that makes a proxy say something soon. What it would say next is lost with the stream, so it is
// longer than the end of a stream is on its way.
const wake = 250 * time.Millisecond

// StreamLoadStats serves one stream of load reports. Envoy opens it when it starts, says who it is, and is silent until
// it is told what to report. There are as many of these streams as proxies, and most say nothing in all their life, so
// each is one goroutine, which listens; whoever has something to tell brings another.
func (s *Server) StreamLoadStats(ss loadstatsv3.LoadReportingService_StreamLoadStatsServer) error {
	pod, err := podOf(ss.Context())
	if err != nil {
		return err
	}
	ctx, cancel := s.lifetime(ss.Context())
	defer cancel(nil)
	r := &reporter{pod: pod, end: cancel, stream: ss}
	defer r.close()
	// Nothing but a message ends listening, so the proxy is asked for one when the stream is to end: of the same clusters,
	// since it would forget what it counted of others.
	stop := context.AfterFunc(ctx, func() {
		clusters, _ := s.loads.order(r)
		r.send(clusters, wake)
	})
	defer stop()
	return s.hear(ctx, r)
}

// send tells the proxy what to report, and how often.
func (r *reporter) send(clusters []string, interval time.Duration) {
	r.sending.Lock()
	defer r.sending.Unlock()
	if !r.over {
		// If it fails the stream is broken, and whoever listens learns that, too.
		_ = r.stream.Send(&loadstatsv3.LoadStatsResponse{Clusters: clusters, LoadReportingInterval: durationpb.New(interval)})
	}
}

func (r *reporter) close() {
	r.sending.Lock()
	defer r.sending.Unlock()
	r.over = true
}

// hear takes what a reporter says until it says no more, or the stream is to end, which is an ordinary end: it comes again.
func (s *Server) hear(ctx context.Context, r *reporter) error {
	var request loadRequest
	for entered := false; ; {
		if err := r.stream.RecvMsg(&request); status.Code(err) == codes.Internal {
			return err // it cannot be read
		} else if err != nil {
			return nil // it is gone
		}
		if !entered {
			var err error
			if r.proxy, err = s.proxyOf(ctx, r.pod, request.node); err != nil {
				s.log.Warn("report stream refused", "pod", r.pod.Name, "namespace", r.pod.Namespace, "error", err)
				return err
			}
			entered = true
			s.loads.enter(r)
			defer s.loads.leave(r)
		}
		for outcome, n := range s.loads.take(r, clusterReports(request.stats)) {
			s.metrics.reports.WithLabelValues(outcome).Add(float64(n))
			if outcome == reportImpossible {
				s.log.Warn("report refused: its numbers are impossible", "pod", r.pod.Name, "namespace", r.pod.Namespace)
				return status.Error(codes.InvalidArgument, "a report with such numbers cannot be true")
			}
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}
