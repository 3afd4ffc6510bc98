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
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Recorder stands between sidecars and the control plane, passes everything on, and writes down what sidecars say.
type Recorder struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	upstream discoveryv3.AggregatedDiscoveryServiceClient

	mu    sync.Mutex
	heard Recording
}

// NewRecorder serves on the listener until ctx is done. upstream is the control plane's address.
func NewRecorder(ctx context.Context, l net.Listener, server tls.Certificate, upstream string, client *tls.Config) (*Recorder, error) {
	conn, err := grpc.NewClient("passthrough:///"+upstream, grpc.WithTransportCredentials(credentials.NewTLS(client)))
	if err != nil {
		return nil, fmt.Errorf("connect the recorder: %w", err)
	}
	r := &Recorder{upstream: discoveryv3.NewAggregatedDiscoveryServiceClient(conn)}
	s := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&server)))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s, r)
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

// DeltaAggregatedResources implements the service.
func (r *Recorder) DeltaAggregatedResources(down discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	in, _ := metadata.FromIncomingContext(down.Context())
	ctx := metadata.NewOutgoingContext(down.Context(), metadata.MD{"authorization": in.Get("authorization")})
	up, err := r.upstream.DeltaAggregatedResources(ctx)
	if err != nil {
		return err
	}
	go func() {
		for {
			request, err := down.Recv()
			if err != nil {
				_ = up.CloseSend()
				return
			}
			r.mu.Lock()
			r.heard = append(r.heard, proto.CloneOf(request))
			r.mu.Unlock()
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
