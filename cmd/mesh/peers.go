package main

import (
	"context"
	"log/slog"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// serverName is the name in the certificate of one of our processes by which the others know it.
func (o options) serverName(service string) string { return service + "." + o.namespace + ".svc" }

// door answers other processes of ours.
func (o options) door(server *envoy.Server, identity peer.Identity, log *slog.Logger) *peer.Server {
	return peer.NewServer(peer.ServerConfig{
		Source: server, Identity: identity, Canary: o.serverName(sluice.CanaryService), Mesh: o.serverName(sluice.MeshService), Log: log,
	})
}

// otherReplicas asks the other replicas; nil if there are none.
func (o options) otherReplicas(identity peer.Identity) *peer.Client {
	if o.peers == "" {
		return nil
	}
	return peer.NewClient(peer.ClientConfig{
		Replicas: peer.Resolve(o.peers, sluice.PeerPort), Identity: identity, Mesh: o.serverName(sluice.MeshService),
	})
}

// replicas lets the door to Kubernetes learn of the proxies of this replica and of the others.
type replicas struct {
	own    *envoy.Server
	others *peer.Client
}

// Refused implements the door's interface. This replica is among the others too, where it counts once more without harm:
// it is known even when they cannot be found.
func (r replicas) Refused(ctx context.Context) ([]mesh.Refusal, error) {
	out := refusals(r.own.Status())
	if r.others == nil {
		return out, nil
	}
	proxies, silent, err := r.others.Refusing(ctx)
	if err == nil {
		err = peer.Told(silent)
	}
	return append(out, refusals(proxies)...), err
}

func refusals(proxies []envoy.ProxyStatus) []mesh.Refusal {
	var out []mesh.Refusal
	for _, p := range proxies {
		for _, r := range p.Refused {
			out = append(out, mesh.Refusal{Pod: p.Pod.Namespace + "/" + p.Pod.Name, Resource: r.Resource, Message: r.Error, Objects: r.Objects})
		}
	}
	return out
}
