package envoy

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// PodIdentity is the pod that a token was issued to.
type PodIdentity struct {
	Namespace      string `json:"namespace"`
	Name           string `json:"name"`
	UID            string `json:"uid"`
	ServiceAccount string `json:"serviceAccount"`
}

// Verifier checks bearer tokens. Its error is told to the proxy, so it must not contain the token.
type Verifier interface {
	Verify(ctx context.Context, token string) (PodIdentity, error)
}

// Binder tells which proxy a pod is: what admission bound it to, not what its Envoy claims.
type Binder interface {
	ProxyOf(ctx context.Context, pod PodIdentity) (mesh.ProxyID, error)
}

// identified is a stream whose token was accepted; its context carries the pod.
type identified struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s *identified) Context() context.Context { return s.ctx }

type podKey struct{}

// podOf returns the pod that the interceptor found out. Without the interceptor nobody is served.
func podOf(ctx context.Context) (PodIdentity, error) {
	pod, ok := ctx.Value(podKey{}).(PodIdentity)
	if !ok || pod.Namespace == "" || pod.Name == "" {
		return PodIdentity{}, status.Error(codes.Unauthenticated, "the token names no pod")
	}
	return pod, nil
}

// authenticate refuses a stream before its first message is read, unless it carries a token that the cluster issued.
func (s *Server) authenticate(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	token, err := bearer(ss.Context())
	if err != nil {
		return s.refuse(status.Error(codes.Unauthenticated, err.Error()))
	}
	pod, err := s.verify(ss.Context(), token)
	if err != nil {
		return s.refuse(status.Errorf(codes.Unauthenticated, "the proxy's token was refused: %v", err))
	}
	return handle(srv, &identified{ServerStream: ss, ctx: context.WithValue(ss.Context(), podKey{}, pod)})
}

// verify checks a token beside the stream: signatures take a deep stack, which the stream would keep as long as it lives.
func (s *Server) verify(ctx context.Context, token string) (pod PodIdentity, err error) {
	var checking sync.WaitGroup
	checking.Go(func() { pod, err = s.config.Verifier.Verify(ctx, token) })
	checking.Wait()
	return pod, err
}

// refuse counts a stream that ends before it began.
func (s *Server) refuse(err error) error {
	s.ended(nil, err, PodIdentity{})
	return err
}

// bearer returns the token of the authorization header.
func bearer(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return "", fmt.Errorf("expected one authorization header with the pod's service-account token, got %d", len(values))
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return "", fmt.Errorf("the authorization header is not a bearer token")
	}
	return strings.TrimSpace(token), nil
}

// checkNode compares the node that an Envoy claims to be, "<pod>.<namespace>", with the pod of its token. Pod names may
// contain dots and namespaces may not, so the last dot separates them.
func checkNode(nodeID string, pod PodIdentity) error {
	dot := strings.LastIndexByte(nodeID, '.')
	if dot < 0 {
		return fmt.Errorf("node id %q is not of the form <pod>.<namespace>", nodeID)
	}
	if nodeID[:dot] != pod.Name || nodeID[dot+1:] != pod.Namespace {
		return fmt.Errorf("node id %q is not the pod of the token, %s/%s", nodeID, pod.Namespace, pod.Name)
	}
	return nil
}
