package canary

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

const podinfoDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: podinfo
  labels: {app: podinfo, team: a}
spec:
  replicas: 2
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
`

const podinfoHPA = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: podinfo
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  minReplicas: 2
  maxReplicas: 4
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 99}}
`

const podinfoCanary = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: podinfo
spec:
  provider: appmesh
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}
  progressDeadlineSeconds: 600
  service:
    port: 9898
    hosts: ["www.example.com"]
    backends: [backend]
  analysis:
    interval: 10s
    threshold: 2
    stepWeight: 20
    maxWeight: 60
    metrics:
    - name: request-success-rate
      thresholdRange: {min: 99}
      interval: 1m
    - name: request-duration
      thresholdRange: {max: 500}
      interval: 30s
`

// initialised is a world whose podinfo is served by its primary.
func initialised(t *testing.T, canaryText string) *world {
	t.Helper()
	w := newWorld(t)
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, canaryText)
	return w
}

func TestInitialise(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised and the target is at zero", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && *w.deployment("podinfo").Spec.Replicas == 0
	})
	primary := w.deployment("podinfo-primary")
	if primary == nil || *primary.Spec.Replicas != 2 || primary.Spec.Template.Labels["app"] != "podinfo-primary" {
		t.Fatalf("primary: %+v", primary)
	}
	c := w.canary()
	for _, o := range []*unstructured.Unstructured{
		w.get(deployments, "podinfo-primary"), w.get(hpas, "podinfo-primary"),
		w.get(services, "podinfo"), w.get(services, "podinfo-primary"), w.get(services, "podinfo-canary"),
		w.get(virtualNodes, "podinfo-primary"), w.get(virtualNodes, "podinfo-canary"),
		w.get(virtualRouters, "podinfo"), w.get(virtualRouters, "podinfo-canary"),
		w.get(virtualServices, "podinfo"), w.get(virtualServices, "podinfo-canary"),
		w.get(controllerRevisions, c.Status.Rollout.ControllerRevision),
	} {
		if o == nil {
			t.Fatal("something was not generated")
		}
		if !metav1.IsControlledBy(o, c) {
			t.Errorf("%s %s is not owned by the Canary", o.GetKind(), o.GetName())
		}
	}
	if got := podinfoWeights(w.get(virtualRouters, "podinfo")); got == nil || got.Primary != 100 {
		t.Errorf("weights %+v", got)
	}
	if got := w.get(virtualServices, "podinfo").GetAnnotations()["gateway.appmesh.k8s.aws/domain"]; !strings.Contains(got, "www.example.com") {
		t.Errorf("domain of the gateway: %q", got)
	}
	if ref, _, _ := unstructured.NestedString(w.get(hpas, "podinfo-primary").Object, "spec", "scaleTargetRef", "name"); ref != "podinfo-primary" {
		t.Errorf("the primary's autoscaler scales %q", ref)
	}
	w.until("the event", func() bool { return w.told("Initialization done! podinfo."+w.namespace) == 1 })
}

func TestAnIdleCanaryMakesNoRequests(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised and the target is at zero", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && w.deployment("podinfo").Status.Replicas == 0
	})
	w.settle()
	before := w.requests.Load()
	for range 600 {
		w.clock.Step(time.Second)
		time.Sleep(time.Millisecond)
	}
	if n := w.requests.Load() - before; n != 0 {
		t.Errorf("%d requests in ten idle minutes\n%s", n, w.log)
	}
}

// settle waits until the shell has nothing to write any more.
func (w *world) settle() {
	for quiet := 0; quiet < 10; {
		before := w.requests.Load()
		w.clock.Step(time.Second)
		time.Sleep(100 * time.Millisecond)
		if quiet++; w.requests.Load() != before {
			quiet = 0
		}
	}
}

func TestRolloutClimbsAndIsPromoted(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	w.until("the target is at zero", func() bool { return *w.deployment("podinfo").Spec.Replicas == 0 })

	// At first the target serves, under the name that its pods will keep: the canary's.
	if !slices.Contains(w.weights.all(), 100) {
		t.Errorf("weights %v: while it was initialised the target served", w.weights.all())
	}
	if got, want := w.weights.last(5), []int{0, 20, 40, 60, 0}; !cmp.Equal(got, want) {
		t.Errorf("weights %v, want %v", got, want)
	}
	if image := w.deployment("podinfo-primary").Spec.Template.Spec.Containers[0].Image; image != "podinfo:3.1.1" {
		t.Errorf("the primary runs %s", image)
	}
	if !slices.ContainsFunc(w.canary().Status.Conditions, func(c canaryv1beta1.CanaryCondition) bool {
		return c.Type == canaryv1beta1.PromotedType && c.Status == metav1.ConditionTrue
	}) {
		t.Errorf("conditions %+v", w.canary().Status.Conditions)
	}
	w.tells(
		"New revision detected! Scaling up podinfo."+w.namespace,
		"Advance podinfo."+w.namespace+" canary weight 20",
		"Advance podinfo."+w.namespace+" canary weight 40",
		"Advance podinfo."+w.namespace+" canary weight 60",
		"Copying podinfo."+w.namespace+" template spec to podinfo-primary."+w.namespace,
		"Promotion completed! Scaling down podinfo."+w.namespace,
	)
	if got := w.metric("flagger_canary_successes_total"); got != 1 {
		t.Errorf("flagger_canary_successes_total %v", got)
	}
	if text := w.log.String(); !strings.Contains(text, `"msg":"Advance podinfo.`+w.namespace+` canary weight 40","canary":"podinfo.`+w.namespace+`"`) {
		t.Errorf("the log does not tell the story:\n%s", text)
	}
}

// tells waits for events and checks that each came exactly once.
func (w *world) tells(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		w.until("the event "+text, func() bool { return w.told(text) > 0 })
		if n := w.told(text); n != 1 {
			w.t.Errorf("%d times %q", n, text)
		}
	}
}

func TestRolloutThatFailsIsRolledBack(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.2")
	w.until("the canary has traffic", func() bool { return w.canary().Status.CanaryWeight == 20 })
	w.traffic.set(func(f *traffic) { f.failing = true })
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	w.until("the target is at zero", func() bool { return *w.deployment("podinfo").Spec.Replicas == 0 })

	if weights := w.weights.last(3); !cmp.Equal(weights, []int{0, 20, 0}) {
		t.Errorf("weights %v: no step up after the first failure, and zero at the end", weights)
	}
	if image := w.deployment("podinfo-primary").Spec.Template.Spec.Containers[0].Image; image != "podinfo:3.1.0" {
		t.Errorf("the primary runs %s", image)
	}
	w.tells("Rolling back podinfo."+w.namespace+" failed checks threshold reached 2", "Canary failed! Scaling down podinfo."+w.namespace)
	if w.told("advancement success rate") == 0 {
		t.Error("no event says why")
	}
}

func TestARestartedShellGoesOnWhereTheOtherWas(t *testing.T) {
	w := initialised(t, podinfoCanary)
	stop := w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	for _, weight := range []canaryv1beta1.Number{20, 40} {
		w.until("the next step", func() bool { return w.canary().Status.CanaryWeight == weight })
		stop()
		// While nobody is there, time passes and nothing happens.
		for range 30 {
			w.clock.Step(time.Second)
		}
		if got := w.canary().Status.CanaryWeight; got != weight {
			t.Fatalf("weight %v without a shell, want %v", got, weight)
		}
		stop = w.start()
	}
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	if got, want := w.weights.all(), []int{0, 20, 40, 60, 0}; !cmp.Equal(got[len(got)-len(want):], want) {
		t.Errorf("weights %v, want them to end with %v", got, want)
	}
	for _, text := range []string{" canary weight 20", " canary weight 40", " canary weight 60"} {
		if n := w.told(text); n > 1 {
			t.Errorf("%d times %q", n, text)
		}
	}
	if c := w.canary(); c.Status.FailedChecks != 0 {
		t.Errorf("%v failed checks: the absence was mistaken for missing traffic", c.Status.FailedChecks)
	}
}

func TestAForeignObjectIsLeftAloneAndReported(t *testing.T) {
	w := newWorld(t)
	const theirs = `
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: podinfo}
spec:
  listeners: [{portMapping: {port: 80, protocol: http}}]
`
	w.apply(virtualRouters, theirs)
	before := w.get(virtualRouters, "podinfo")
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, podinfoCanary)
	w.start()
	w.until("somebody says so", func() bool { return w.told("VirtualRouter podinfo exists already") > 0 })
	for range 30 {
		w.clock.Step(time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if n := w.told("VirtualRouter podinfo exists already"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if diff := cmp.Diff(before.Object, w.get(virtualRouters, "podinfo").Object); diff != "" {
		t.Errorf("the foreign object changed:\n%s", diff)
	}
	if *w.deployment("podinfo").Spec.Replicas != 2 {
		t.Error("the target lost its replicas")
	}
	if why := w.canary().Status.Rollout.Why; !strings.Contains(why, "VirtualRouter podinfo exists already") {
		t.Errorf("the status says %q", why)
	}
	if w.condition("ForeignObject") == nil {
		t.Errorf("no condition says so: %+v", w.canary().Status.Conditions)
	}
	if err := w.dynamic.Resource(virtualRouters).Namespace(w.namespace).Delete(context.Background(), "podinfo", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("it goes on", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	if c := w.condition("ForeignObject"); c != nil {
		t.Errorf("the condition stayed: %+v", c)
	}
}

func TestAServiceThatWasThereBeforeIsAdopted(t *testing.T) {
	w := newWorld(t)
	w.apply(services, `
apiVersion: v1
kind: Service
metadata: {name: podinfo, labels: {team: a}}
spec:
  type: NodePort
  selector: {app: podinfo, tier: web}
  ports: [{name: http, port: 9898, targetPort: http, nodePort: 31898}]
`)
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, podinfoCanary)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	service, err := w.kube.CoreV1().Services(w.namespace).Get(context.Background(), "podinfo", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(service.Spec.Selector, map[string]string{"app": "podinfo-primary"}) {
		t.Errorf("selector %v", service.Spec.Selector)
	}
	if service.Spec.Type != "NodePort" || service.Spec.Ports[0].NodePort != 31898 || len(service.OwnerReferences) != 0 {
		t.Errorf("it must stay the Service that it was: %+v", service)
	}
	if !cmp.Equal(service.Labels, map[string]string{"team": "a"}) || len(service.Annotations) != 0 {
		t.Errorf("its metadata is not ours: %v %v", service.Labels, service.Annotations)
	}
}

func TestFieldsThatAreNotOursSurvive(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	patch := func(kind string, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	ctx := context.Background()
	patch("canary", func() error {
		_, err := w.dynamic.Resource(canaries).Namespace(w.namespace).Patch(ctx, "podinfo", types.MergePatchType,
			[]byte(`{"status":{"canaryNote":"mine"}}`), metav1.PatchOptions{}, "status")
		return err
	})
	patch("virtual node", func() error {
		_, err := w.dynamic.Resource(virtualNodes).Namespace(w.namespace).Patch(ctx, "podinfo-primary", types.MergePatchType,
			[]byte(`{"metadata":{"labels":{"mine":"yes"}},"spec":{"awsName":"mine","meshRef":{"name":"demo","uid":"1"}}}`), metav1.PatchOptions{})
		return err
	})
	w.setImage("podinfo:3.1.1")
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	if note, _, _ := unstructured.NestedString(w.get(canaries, "podinfo").Object, "status", "canaryNote"); note != "mine" {
		t.Errorf("a field of the status that we do not know is %q", note)
	}
	node := w.get(virtualNodes, "podinfo-primary")
	if name, _, _ := unstructured.NestedString(node.Object, "spec", "awsName"); name != "mine" || node.GetLabels()["mine"] != "yes" {
		t.Errorf("fields of the virtual node that are not ours: %v", node.Object)
	}
	for _, field := range node.GetManagedFields() {
		if field.Manager != sluice.ManagedBy && field.Manager != "canary.test" {
			t.Logf("manager %s", field.Manager)
		}
	}
}

func TestAHandEditedWeightIsPutBack(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && *w.deployment("podinfo").Spec.Replicas == 0
	})
	router := w.get(virtualRouters, "podinfo")
	routes, _, _ := unstructured.NestedSlice(router.Object, "spec", "routes")
	targets, _, _ := unstructured.NestedSlice(routes[0].(map[string]any), "httpRoute", "action", "weightedTargets")
	for _, target := range targets {
		target.(map[string]any)["weight"] = int64(50)
	}
	_ = unstructured.SetNestedSlice(routes[0].(map[string]any), targets, "httpRoute", "action", "weightedTargets")
	_ = unstructured.SetNestedSlice(router.Object, routes, "spec", "routes")
	if _, err := w.dynamic.Resource(virtualRouters).Namespace(w.namespace).Update(context.Background(), router, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("it is put back", func() bool {
		weights := podinfoWeights(w.get(virtualRouters, "podinfo"))
		return weights != nil && weights.Primary == 100 && weights.Canary == 0
	})
}

func TestOldRevisionsGo(t *testing.T) {
	w := initialised(t, strings.Replace(podinfoCanary, "progressDeadlineSeconds: 600", "skipAnalysis: true", 1))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	for i := range keptRevisions + 3 {
		image := fmt.Sprintf("podinfo:4.0.%d", i)
		w.setImage(image)
		w.until("the primary runs "+image, func() bool {
			return w.phase(canaryv1beta1.CanaryPhaseSucceeded)() &&
				w.deployment("podinfo-primary").Spec.Template.Spec.Containers[0].Image == image
		})
	}
	list, err := w.dynamic.Resource(controllerRevisions).Namespace(w.namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(list.Items); n > keptRevisions+2 {
		t.Errorf("%d revisions are kept", n)
	}
	if w.get(controllerRevisions, w.canary().Status.Rollout.ControllerRevision) == nil {
		t.Error("the revision in use is gone")
	}
}

func TestADeletedCanaryIsForgotten(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised and at zero", func() bool {
		return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && w.deployment("podinfo").Status.Replicas == 0
	})
	w.settle()
	if got := w.metric("flagger_canary_total"); got != 1 {
		t.Errorf("flagger_canary_total %v", got)
	}
	if err := w.dynamic.Resource(canaries).Namespace(w.namespace).Delete(context.Background(), "podinfo", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("its metrics are gone", func() bool { return w.metric("flagger_canary_total") == 0 && w.metric("flagger_canary_status") == -1 })
	before := w.requests.Load()
	w.setImage("podinfo:3.1.1")
	for range 30 {
		w.clock.Step(time.Second)
		time.Sleep(5 * time.Millisecond)
	}
	if n := w.requests.Load() - before; n != 0 {
		t.Errorf("%d requests for a Canary that is no more", n)
	}
}

// metric is the sum of a metric's series; -1 if it has none.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum := -1.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		sum = 0
		for _, m := range family.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return sum
}
