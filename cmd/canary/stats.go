package main

import (
	"context"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/gate"
	"github.com/sluice-mesh/sluice/pkg/kube/canary"
)

// stats lets one door read through the other.
type stats struct{ *envoy.Stats }

// Read reads one pod's counters.
func (s stats) Read(ctx context.Context, pod canary.Pod) (gate.Sample, error) {
	return s.Stats.Read(ctx, envoy.Target{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, IP: pod.IP})
}
