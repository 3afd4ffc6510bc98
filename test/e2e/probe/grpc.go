package main

import (
	"context"
	"net"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcServer serves grpc.testing.TestService, the service of gRPC's own interoperability tests.
type grpcServer struct {
	grpc_testing.UnimplementedTestServiceServer
	*server
}

func (s *server) serveGRPC(l net.Listener) error {
	g := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(g, grpcServer{server: s})
	return g.Serve(l)
}

func (s grpcServer) UnaryCall(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	return &grpc_testing.SimpleResponse{}, s.answer(ctx)
}

func (s grpcServer) EmptyCall(ctx context.Context, _ *grpc_testing.Empty) (*grpc_testing.Empty, error) {
	return &grpc_testing.Empty{}, s.answer(ctx)
}

// answer says in metadata who answered and how often this key was tried. The call's metadata asks for misbehaviour: key=a,
// fail=2, code=14 fails the first two calls of this key.
func (s grpcServer) answer(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	first := func(key string) string {
		if v := md.Get(key); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	tries := 0
	if key := first("key"); key != "" {
		tries = s.try(key)
	}
	about := metadata.Pairs("name", s.name, "tries", strconv.Itoa(tries))
	if tries > 0 && tries <= number(first("fail"), 0) {
		// In a trailer, because a header sent before the status would end a proxy's chance to try again.
		if err := grpc.SetTrailer(ctx, about); err != nil {
			return err
		}
		return status.Error(codes.Code(number(first("code"), int(codes.Unavailable))), "as the metadata asks")
	}
	return grpc.SetHeader(ctx, about)
}
