package main

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	"github.com/sluice-mesh/sluice/pkg/gate"
	kubecanary "github.com/sluice-mesh/sluice/pkg/kube/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Calls implements the door's interface.
func (p proxies) Calls(ctx context.Context, nodes []types.NamespacedName) ([]kubecanary.CallerSample, error) {
	refs := make([]mesh.ObjectRef, 0, len(nodes))
	for _, node := range nodes {
		refs = append(refs, mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: node.Namespace, Name: node.Name})
	}
	loads, silent, err := p.Loads(ctx, refs)
	if err != nil {
		return nil, err
	}
	out := make([]kubecanary.CallerSample, 0, len(loads))
	for _, load := range loads {
		out = append(out, callerSample(load))
	}
	return out, peer.Told(silent)
}

// callerSample says in the gate's words what mesh said in its own. It is pure.
func callerSample(l envoy.Load) kubecanary.CallerSample {
	return kubecanary.CallerSample{
		Node: types.NamespacedName{Namespace: l.Node.Namespace, Name: l.Node.Name}, Epoch: l.Epoch, Age: l.Age,
		Counters: gate.Counters{
			Requests: l.Succeeded + l.Failed, Class: [6]uint64{2: l.Succeeded, 5: l.Failed},
			ConnectFailures: l.Unconnected, Abandoned: l.Abandoned,
		},
	}
}
