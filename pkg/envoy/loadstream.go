package envoy

import (
	"context"
	"errors"
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
	// told has room for one: the reporter is to be told something.
	told chan struct{}

	// What follows is guarded by loads: what the proxy reports on, how often (0 if it was never told), and how many
	// requests were open at its last report of a cluster.
	clusters []string
	interval time.Duration
	open     map[string]*uint64
}

// StreamLoadStats serves one stream of load reports. Envoy opens it when it starts, says who it is, and is silent until
// it is told what to report.
func (s *Server) StreamLoadStats(ss loadstatsv3.LoadReportingService_StreamLoadStatsServer) error {
	pod, err := podOf(ss.Context())
	if err != nil {
		return err
	}
	ctx, cancel := s.lifetime(ss.Context())
	defer cancel(nil)
	r := &reporter{pod: pod, end: cancel, told: make(chan struct{}, 1), open: map[string]*uint64{}}
	heard := make(chan error, 1)
	go func() { heard <- s.hear(ctx, ss, r) }()
	for {
		select {
		case <-ctx.Done():
			return nil // an ordinary end: the proxy comes again
		case err := <-heard:
			return err
		case <-r.told:
			clusters, interval := s.loads.order(r)
			err := ss.Send(&loadstatsv3.LoadStatsResponse{Clusters: clusters, LoadReportingInterval: durationpb.New(interval)})
			if err != nil {
				return err
			}
		}
	}
}

// hear takes what a reporter says until it says no more.
func (s *Server) hear(ctx context.Context, ss loadstatsv3.LoadReportingService_StreamLoadStatsServer, r *reporter) error {
	var request loadRequest
	for entered := false; ; {
		if err := ss.RecvMsg(&request); status.Code(err) == codes.Internal {
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
	}
}
