package envoy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// dial connects as a plain gRPC client.
func dial(t *testing.T, p *controlPlane) *grpc.ClientConn {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(p.dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	conn, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// authorized carries a token, unless it is empty.
func authorized(token string) context.Context {
	if token == "" {
		return context.Background()
	}
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
}

// probe asks as a plain gRPC client, to read the words of a refusal. It returns the error that ended the stream.
func probe(t *testing.T, p *controlPlane, node, token string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(authorized(token), time.Minute)
	defer cancel()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(dial(t, p)).DeltaAggregatedResources(ctx)
	if err != nil {
		return err
	}
	_ = stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: node}, TypeUrl: resourcev3.ClusterType})
	_, err = stream.Recv()
	return err
}

// refusals counts the streams that were refused before or at their first message.
func (p *controlPlane) refusals(t *testing.T) float64 {
	t.Helper()
	time.Sleep(10 * time.Millisecond)
	return p.counter(t, "sluice_mesh_stream_ends_total", "refused")
}
