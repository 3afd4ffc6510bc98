package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// leftByFlagger is what Flagger 1.44 makes of podinfo on App Mesh, in the order of its making: the primary with an
// annotation that is new at each promotion, one label in its selector, the pods' names for the copies of configuration.
const leftByFlagger = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo-primary, labels: {app: podinfo-primary}}
spec:
  replicas: 2
  selector: {matchLabels: {app: podinfo-primary}}
  template:
    metadata: {labels: {app: podinfo-primary}, annotations: {flagger-id: 4c5b3d2e-0f62-4f8a-9a3e-2f1d1d6f5a10}}
    spec:
      containers:
      - name: podinfo
        image: podinfo:3.1.0
        envFrom: [{configMapRef: {name: settings-primary}}]
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings-primary}, data: {color: blue}}
---
apiVersion: v1
kind: Service
metadata: {name: podinfo-canary, labels: {app: podinfo-canary}}
spec: {type: ClusterIP, selector: {app: podinfo}, ports: [{name: http, port: 9898, protocol: TCP, targetPort: 9898}]}
---
apiVersion: v1
kind: Service
metadata: {name: podinfo-primary, labels: {app: podinfo-primary}}
spec: {type: ClusterIP, selector: {app: podinfo-primary}, ports: [{name: http, port: 9898, protocol: TCP, targetPort: 9898}]}
---
apiVersion: v1
kind: Service
metadata: {name: podinfo, labels: {app: podinfo}}
spec: {type: ClusterIP, selector: {app: podinfo-primary}, ports: [{name: http, port: 9898, protocol: TCP, targetPort: 9898}]}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: podinfo-primary}
spec:
  podSelector: {matchLabels: {app: podinfo-primary}}
  listeners: [{portMapping: {port: 9898, protocol: http}}]
  serviceDiscovery: {dns: {hostname: podinfo-primary.%[1]s.svc.cluster.local.}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: podinfo-canary}
spec:
  podSelector: {matchLabels: {app: podinfo}}
  listeners: [{portMapping: {port: 9898, protocol: http}}]
  serviceDiscovery: {dns: {hostname: podinfo-canary.%[1]s.svc.cluster.local.}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: podinfo}
spec:
  listeners: [{portMapping: {port: 9898, protocol: http}}]
  routes:
  - name: podinfo
    httpRoute:
      match: {prefix: /}
      action:
        weightedTargets:
        - {virtualNodeRef: {name: podinfo-canary}, weight: %[2]d}
        - {virtualNodeRef: {name: podinfo-primary}, weight: %[3]d}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: podinfo}
spec: {provider: {virtualRouter: {virtualRouterRef: {name: podinfo}}}}
`

const settledByFlagger = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo}
spec:
  replicas: %d
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec:
      containers:
      - name: podinfo
        image: podinfo:%s
        envFrom: [{configMapRef: {name: settings}}]
`

// flagger writes as Flagger does: typed updates by its own field manager, everything controlled by the Canary.
func (w *world) flagger(weight int, status string) {
	w.t.Helper()
	ctx := context.Background()
	as := metav1.CreateOptions{FieldManager: canary.FlaggerManager}
	resources := map[string]schema.GroupVersionResource{
		"Deployment": deployments, "Service": services, "ConfigMap": configMaps,
		"VirtualNode": virtualNodes, "VirtualRouter": virtualRouters, "VirtualService": virtualServices,
	}
	owner := metav1.NewControllerRef(w.canary(), kindCanary)
	for _, text := range strings.Split(fmt.Sprintf(leftByFlagger, w.namespace, weight, 100-weight), "\n---\n") {
		var u unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			w.t.Fatal(err)
		}
		u.SetOwnerReferences([]metav1.OwnerReference{*owner})
		if _, err := w.dynamic.Resource(resources[u.GetKind()]).Namespace(w.namespace).Create(ctx, &u, as); err != nil {
			w.t.Fatal(err)
		}
	}
	_, err := w.dynamic.Resource(canaries).Namespace(w.namespace).Patch(ctx, "podinfo", types.MergePatchType,
		[]byte(`{"status":`+status+`}`), metav1.PatchOptions{FieldManager: canary.FlaggerManager}, "status")
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) leftByFlagger(image string, replicas, weight int, status map[string]any) {
	w.t.Helper()
	w.apply(configMaps, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: blue}}`)
	w.apply(deployments, fmt.Sprintf(settledByFlagger, replicas, image))
	w.apply(canaries, fmt.Sprintf(withoutScaler, "podinfo"))
	status["trackedConfigs"] = map[string]any{
		"configmap/settings": canary.ConfigHash(map[string]any{"data": map[string]any{"color": "blue"}}),
	}
	text, err := json.Marshal(status)
	if err != nil {
		w.t.Fatal(err)
	}
	w.flagger(weight, string(text))
}

func TestACanaryOfFlaggersIsTakenOver(t *testing.T) {
	w := newWorld(t)
	w.leftByFlagger("3.1.0", 0, 0, map[string]any{
		"phase": "Succeeded", "failedChecks": 0, "canaryWeight": 0, "iterations": 0,
		"lastAppliedSpec": "5f8fd4f546", "lastPromotedSpec": "5f8fd4f546", "lastTransitionTime": "2026-11-25T12:00:00Z",
		"conditions": []any{map[string]any{"type": "Promoted", "status": "True", "reason": "Succeeded", "message": "…",
			"lastUpdateTime": "2026-11-25T12:00:00Z", "lastTransitionTime": "2026-11-25T12:00:00Z"}},
	})
	before := w.deployment("podinfo-primary")
	w.start()
	w.until("it is said that Flagger is still there", func() bool { return w.condition("FlaggerActive") != nil })
	if hash := w.canary().Status.LastAppliedSpec; hash != "5f8fd4f546" {
		t.Errorf("something was done: lastAppliedSpec %s", hash)
	}
	w.until("a minute later it is taken over", func() bool { return w.told("Took over podinfo."+w.namespace) == 1 })
	w.settle()
	after := w.deployment("podinfo-primary")
	if after.Generation != before.Generation {
		t.Errorf("the primary was touched: %s", cmp.Diff(before.Spec, after.Spec))
	}
	if c := w.canary().Status; c.Phase != canaryv1beta1.CanaryPhaseSucceeded || *w.deployment("podinfo").Spec.Replicas != 0 {
		t.Errorf("it is %s", c.Phase)
	}
	if got := w.weights.all(); !cmp.Equal(got, []int{0}) {
		t.Errorf("weights %v: the traffic changed", got)
	}
	if c := w.condition("FlaggerActive"); c != nil {
		t.Errorf("%+v", c)
	}
	w.setImage("podinfo:3.1.1")
	w.until("the next push is promoted", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseSucceeded)() && w.deployment("podinfo-primary").Spec.Template.Spec.Containers[0].Image == "podinfo:3.1.1"
	})
	if got, want := w.weights.all(), []int{0, 20, 40, 60, 0}; !cmp.Equal(got, want) {
		t.Errorf("weights %v, want %v", got, want)
	}
}

func TestARolloutOfFlaggersBeginsAgain(t *testing.T) {
	w := newWorld(t)
	w.leftByFlagger("3.1.1", 2, 40, map[string]any{
		"phase": "Progressing", "failedChecks": 1, "canaryWeight": 40, "iterations": 0,
		"lastAppliedSpec": "6d4b75cb6d", "lastPromotedSpec": "5f8fd4f546", "lastTransitionTime": "2026-11-25T12:00:00Z",
	})
	w.start()
	for range 30 {
		w.clock.Step(time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if got := w.weights.all(); !cmp.Equal(got, []int{40}) {
		t.Errorf("weights %v while Flagger may still be there", got)
	}
	w.until("it begins again", func() bool { return w.told("New revision detected! Restarting analysis for podinfo."+w.namespace) == 1 })
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	if got, want := w.weights.all(), []int{40, 0, 20, 40, 60, 0}; !cmp.Equal(got, want) {
		t.Errorf("weights %v, want %v", got, want)
	}
	spec := w.deployment("podinfo-primary").Spec.Template.Spec.Containers[0]
	if spec.Image != "podinfo:3.1.1" || spec.EnvFrom[0].ConfigMapRef.Name != "settings-primary" {
		t.Errorf("the primary: %+v", spec)
	}
}

func TestALeaseOfFlaggersIsRespected(t *testing.T) {
	w := newWorld(t)
	leases := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	t.Cleanup(func() { // it would hold the Canaries of the other tests
		if err := w.dynamic.Resource(leases).Namespace(w.namespace).Delete(context.Background(), "flagger-leader-election", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	w.apply(leases, fmt.Sprintf(
		`{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: flagger-leader-election}, spec: {holderIdentity: flagger-7d, leaseDurationSeconds: 60, renewTime: %q}}`,
		w.clock.Now().UTC().Format("2006-01-02T15:04:05.000000Z")))
	w.apply(deployments, podinfoDeployment)
	w.apply(canaries, fmt.Sprintf(withoutScaler, "podinfo"))
	w.start()
	w.until("it is said", func() bool { return w.told("Flagger is still there (flagger-7d holds its Lease)") == 1 })
	if w.deployment("podinfo-primary") != nil {
		t.Error("something was done")
	}
	w.until("once the Lease has ended it goes on", w.phase(canaryv1beta1.CanaryPhaseInitialized))
}
