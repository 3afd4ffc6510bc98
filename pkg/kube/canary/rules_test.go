package canary

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// consistent is the condition as "Status Reason".
func (w *world) consistent() string {
	c := w.condition(canary.ConditionConsistent)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason
}

const soundDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: podinfo
spec:
  selector:
    matchLabels: {app: podinfo}
  template:
    metadata:
      labels: {app: podinfo}
    spec:
      containers:
      - name: podinfo
        image: podinfo:3.1.0
        ports: [{containerPort: 9898, name: http}]
        readinessProbe: {httpGet: {path: /readyz, port: 9898}}
        resources: {requests: {cpu: 100m}}
`

const soundHPA = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: podinfo
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  minReplicas: 2
  maxReplicas: 4
  metrics:
  - type: ContainerResource
    containerResource: {name: cpu, container: podinfo, target: {type: Utilization, averageUtilization: 80}}
`

const soundCanary = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: podinfo
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}
  service:
    port: 9898
    hosts: ["www.example.com"]
  analysis:
    interval: 30s
    threshold: 2
    stepWeight: 20
    maxWeight: 60
    metrics:
    - name: request-success-rate
      thresholdRange: {min: 99}
      interval: 1m
`

// TestConsistentFollowsTheWorld: the condition is news only when something around a Canary is, and a rollout waits for the rules.
func TestConsistentFollowsTheWorld(t *testing.T) {
	w := newWorld(t)
	w.apply(deployments, soundDeployment)
	w.apply(canaries, soundCanary)
	w.start()
	w.until("the autoscaler is missed", func() bool {
		c := w.condition(canary.ConditionConsistent)
		return c != nil && c.Status == metav1.ConditionFalse && strings.HasPrefix(c.Message, "1 error (SL002)")
	})
	w.apply(hpas, soundHPA)
	w.until("all is well", func() bool { return w.consistent() == "True NoFindings" })
	w.until("it is initialised and the target is at zero", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && w.deployment("podinfo").Status.Replicas == 0
	})
	w.settle()

	before := w.requests.Load()
	w.label("elsewhere", "2") // of a Deployment that the Canary has nothing to do with
	w.step(30)
	if n := w.requests.Load() - before; n != 0 {
		t.Errorf("%d requests for a change that does not concern the Canary", n)
	}

	w.setMesh("none")
	w.until("the mesh is missed", func() bool { return w.consistent() == "False Errors" })
	w.setImage("podinfo:3.1.1")
	w.until("the rollout is blocked", func() bool {
		return w.told("Rollout of podinfo."+w.namespace+" not started: metadata.namespace: SL045: ") == 1
	})
	if why := w.canary().Status.Rollout.Why; !strings.Contains(why, "SL045") {
		t.Errorf("the status says %q", why)
	}
	w.setMesh("appmesh")
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	w.until("all is well again", func() bool { return w.consistent() == "True NoFindings" })
}

// step moves the clock by seconds, and lets everybody work.
func (w *world) step(seconds int) {
	for range seconds {
		w.clock.Step(time.Second)
		time.Sleep(5 * time.Millisecond)
	}
	w.settle()
}

// label gives a Deployment of its own a label.
func (w *world) label(name, value string) {
	w.t.Helper()
	w.apply(deployments, strings.NewReplacer("podinfo", name, "  name: podinfo\n", "  name: "+name+"\n  labels: {version: \""+value+"\"}\n").Replace(soundDeployment))
}

// setMesh makes the namespace a member of a mesh.
func (w *world) setMesh(name string) {
	w.t.Helper()
	patch := []byte(`{"metadata":{"labels":{"mesh":"` + name + `"}}}`)
	if _, err := w.kube.CoreV1().Namespaces().Patch(context.Background(), w.namespace, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}
