package main

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	kubecanary "github.com/sluice-mesh/sluice/pkg/kube/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// proxies asks the replicas of mesh through their inner door; nil if there are none to ask.
func (c config) proxies(log *slog.Logger) (*proxies, error) {
	if c.meshPeers == "" {
		return nil, nil
	}
	identity, err := peer.LoadIdentity(c.certDir, log)
	if err != nil {
		return nil, err
	}
	return &proxies{peer.NewClient(peer.ClientConfig{
		Replicas: peer.Resolve(c.meshPeers, sluice.PeerPort), Identity: identity,
		Mesh: sluice.MeshService + "." + c.leaseNamespace + ".svc",
	})}, nil
}

// proxies lets one door ask through the other.
type proxies struct{ *peer.Client }

// Acknowledgements implements the door's interface.
func (p proxies) Acknowledgements(ctx context.Context, router kubecanary.RouterGeneration, wait time.Duration) (canary.Acknowledgements, error) {
	want := mesh.Generation{UID: router.UID, Number: router.Generation}
	answer, err := p.Router(ctx, mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: router.Namespace, Name: router.Name}, want, wait)
	if err != nil {
		return canary.Acknowledgements{}, err
	}
	return acknowledgements(answer, want), nil
}

// acknowledgements says in canary's words what mesh said in its own. It is pure.
func acknowledgements(answer peer.RouterAnswer, want mesh.Generation) canary.Acknowledgements {
	out := canary.Acknowledgements{Served: answer.Published.Reaches(want), Taken: map[string]bool{}, Refused: map[string]string{}}
	for _, id := range answer.Callers {
		out.Callers = append(out.Callers, canary.Caller{Gateway: id.Kind == mesh.ProxyVirtualGateway, Namespace: id.Namespace, Name: id.Name})
	}
	for _, p := range answer.Proxies {
		switch {
		case p.Acked.Reaches(want):
			out.Taken[p.Pod.UID] = true
		case p.Refused.Reaches(want):
			out.Refused[p.Pod.UID] = cmp.Or(p.Error, "without a word")
		}
	}
	if err := peer.Told(answer.Silent); err != nil {
		out.Silent = err.Error()
	}
	return out
}
