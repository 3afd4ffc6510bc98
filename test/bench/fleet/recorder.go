package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// Recorder stands between sidecars and the control plane, passes everything on, and writes down what sidecars say.
type Recorder struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	loadstatsv3.UnimplementedLoadReportingServiceServer
	upstream discoveryv3.AggregatedDiscoveryServiceClient
	loads    loadstatsv3.LoadReportingServiceClient

	mu      sync.Mutex
	heard   Recording
	reports []*loadstatsv3.LoadStatsRequest
}

// NewRecorder serves on the listener until ctx is done. upstream is the control plane's address.
func NewRecorder(ctx context.Context, l net.Listener, server tls.Certificate, upstream string, client *tls.Config) (*Recorder, error) {
	conn, err := grpc.NewClient("passthrough:///"+upstream, grpc.WithTransportCredentials(credentials.NewTLS(client)))
	if err != nil {
		return nil, fmt.Errorf("connect the recorder: %w", err)
	}
	r := &Recorder{upstream: discoveryv3.NewAggregatedDiscoveryServiceClient(conn), loads: loadstatsv3.NewLoadReportingServiceClient(conn)}
	s := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&server)))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s, r)
	loadstatsv3.RegisterLoadReportingServiceServer(s, r)
	go func() { _ = s.Serve(l) }()
	context.AfterFunc(ctx, func() {
		s.Stop()
		conn.Close()
	})
	return r, nil
}

// Recording is what was said until now, on all streams in the order of arrival.
func (r *Recorder) Recording() Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(Recording(nil), r.heard...)
}

// Reports are what was said until now on the streams of load reports.
func (r *Recorder) Reports() []*loadstatsv3.LoadStatsRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*loadstatsv3.LoadStatsRequest(nil), r.reports...)
}

// DeltaAggregatedResources implements the service.
func (r *Recorder) DeltaAggregatedResources(down discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	up, err := r.upstream.DeltaAggregatedResources(passing(down.Context()))
	if err != nil {
		return err
	}
	return pass(down, up, func(request *discoveryv3.DeltaDiscoveryRequest) { r.heard = append(r.heard, request) }, &r.mu)
}

// StreamLoadStats implements the service.
func (r *Recorder) StreamLoadStats(down loadstatsv3.LoadReportingService_StreamLoadStatsServer) error {
	up, err := r.loads.StreamLoadStats(passing(down.Context()))
	if err != nil {
		return err
	}
	return pass(down, up, func(request *loadstatsv3.LoadStatsRequest) { r.reports = append(r.reports, request) }, &r.mu)
}

// passing carries the token on.
func passing(ctx context.Context) context.Context {
	in, _ := metadata.FromIncomingContext(ctx)
	return metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": in.Get("authorization")})
}

// pass passes messages on, both ways, and notes under the lock what goes up.
func pass[Up, Down any](down grpc.BidiStreamingServer[Up, Down], up grpc.BidiStreamingClient[Up, Down], note func(*Up), mu *sync.Mutex) error {
	go func() {
		for {
			request, err := down.Recv()
			if err != nil {
				_ = up.CloseSend()
				return
			}
			mu.Lock()
			note(request)
			mu.Unlock()
			if up.Send(request) != nil {
				return
			}
		}
	}()
	for {
		response, err := up.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := down.Send(response); err != nil {
			return err
		}
	}
}

func compactJSON(in []byte) ([]byte, error) {
	var out bytes.Buffer
	err := json.Compact(&out, in)
	return out.Bytes(), err
}
