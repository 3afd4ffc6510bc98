package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/gate"
	kubecanary "github.com/sluice-mesh/sluice/pkg/kube/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func TestCallerSample(t *testing.T) {
	got := callerSample(envoy.Load{
		Node: mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: "demo", Name: "shop-canary"}, Epoch: "a/1", Age: time.Minute, Callers: 3,
		LoadCounts: envoy.LoadCounts{Issued: 100, Succeeded: 80, Failed: 15, Unconnected: 4, Abandoned: 9},
	})
	want := kubecanary.CallerSample{
		Node: types.NamespacedName{Namespace: "demo", Name: "shop-canary"}, Epoch: "a/1", Age: time.Minute,
		Counters: gate.Counters{Requests: 95, Class: [6]uint64{2: 80, 5: 15}, ConnectFailures: 4, Abandoned: 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
