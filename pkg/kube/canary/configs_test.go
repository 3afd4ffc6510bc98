package canary

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// configured is podinfo with configuration: a ConfigMap in the environment, a Secret in a volume, and an optional one.
const configured = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers:
      - name: podinfo
        image: podinfo:3.1.0
        envFrom: [{configMapRef: {name: settings}}]
        env: [{name: EXTRA, valueFrom: {configMapKeyRef: {name: extra, key: a, optional: true}}}]
        volumeMounts: [{name: key, mountPath: /key}]
      volumes: [{name: key, secret: {secretName: key}}]
`

const withoutScaler = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: %s}
spec:
  provider: appmesh
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s}
  service: {port: 9898}
  analysis:
    interval: 10s
    threshold: 2
    stepWeight: 20
    maxWeight: 60
    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}]
`

func configWorld(t *testing.T) *world {
	w := newWorld(t)
	w.apply(configMaps, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: blue}, binaryData: {icon: AAEC}}`)
	w.apply(secretResource, `{apiVersion: v1, kind: Secret, metadata: {name: key}, data: {tls: c2VjcmV0}}`)
	return w
}

func (w *world) patch(resource schema.GroupVersionResource, name, body string) {
	w.t.Helper()
	_, err := w.dynamic.Resource(resource).Namespace(w.namespace).Patch(context.Background(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) configMap(name string) *corev1.ConfigMap {
	w.t.Helper()
	c, err := w.kube.CoreV1().ConfigMaps(w.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestConfigurationIsReleasedLikeTheTemplate(t *testing.T) {
	w := configWorld(t)
	w.apply(deployments, fmt.Sprintf(configured, "podinfo"))
	w.apply(canaries, fmt.Sprintf(withoutScaler, "podinfo"))
	w.start()
	idle := func() bool { return w.deployment("podinfo").Status.Replicas == 0 }
	w.until("it is initialised", func() bool { return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && idle() })

	settings := w.configMap("settings-primary")
	if !metav1.IsControlledBy(settings, w.canary()) || string(settings.BinaryData["icon"]) != "\x00\x01\x02" {
		t.Errorf("the copy: %+v", settings)
	}
	spec := w.deployment("podinfo-primary").Spec.Template.Spec
	if from, key := spec.Containers[0].EnvFrom[0].ConfigMapRef.Name, spec.Volumes[0].Secret.SecretName; from != "settings-primary" || key != "key-primary" {
		t.Errorf("the primary reads %s and %s", from, key)
	}
	if optional := spec.Containers[0].Env[0].ValueFrom.ConfigMapKeyRef.Name; optional != "extra" {
		t.Errorf("what is not there cannot be copied, and the primary reads %s", optional)
	}
	if got := w.canary().Status.TrackedConfigs; len(got) != 2 || len(got["configmap/settings"]) != 16 {
		t.Errorf("tracked: %v", got)
	}

	w.settle()
	before := w.requests.Load()
	w.apply(configMaps, `{apiVersion: v1, kind: ConfigMap, metadata: {name: unrelated}, data: {color: blue}}`)
	for range 60 {
		w.clock.Step(time.Second)
		time.Sleep(2 * time.Millisecond)
	}
	if n := w.requests.Load() - before; n != 0 {
		t.Errorf("%d requests while nothing that matters changed", n)
	}

	pods := w.deployment("podinfo-primary").Spec.Template
	w.patch(configMaps, "settings", `{"data":{"color":"green"}}`)
	w.until("the change is under analysis", func() bool { return w.canary().Status.CanaryWeight == 20 })
	if got := w.configMap("settings-primary").Data["color"]; got != "blue" {
		t.Errorf("users have %s before the promotion", got)
	}
	w.until("it is promoted", func() bool { return w.phase(canaryv1beta1.CanaryPhaseSucceeded)() && idle() })
	if got := w.configMap("settings-primary").Data["color"]; got != "green" {
		t.Errorf("users have %s after the promotion", got)
	}
	if cmp.Equal(pods, w.deployment("podinfo-primary").Spec.Template) {
		t.Error("the pods of the primary were not made anew, and have the environment from before")
	}
	if n := w.told("Advance podinfo." + w.namespace + " canary weight 20"); n != 1 {
		t.Errorf("%d rollouts", n)
	}

	w.patch(secretResource, "key", `{"data":{"tls":"b3RoZXI="}}`)
	w.until("the change is under analysis", func() bool { return w.canary().Status.CanaryWeight == 20 })
	w.traffic.set(func(f *traffic) { f.failing = true })
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	secret, err := w.kube.CoreV1().Secrets(w.namespace).Get(context.Background(), "key-primary", metav1.GetOptions{})
	if err != nil || string(secret.Data["tls"]) != "secret" {
		t.Errorf("users have %q, %v", secret.Data["tls"], err)
	}
}

func TestTwoCanariesOfOneConfigMapDoNotShareACopy(t *testing.T) {
	w := configWorld(t)
	for _, name := range []string{"podinfo", "other"} {
		w.apply(deployments, fmt.Sprintf(configured, name))
	}
	w.apply(canaries, fmt.Sprintf(withoutScaler, "podinfo"))
	w.start()
	w.until("the first is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.apply(canaries, fmt.Sprintf(withoutScaler, "other"))
	w.until("so is the second", func() bool {
		phase := w.get(canaries, "other").Object["status"]
		return strings.Contains(fmt.Sprint(phase), "phase:Initialized")
	})
	names := map[string]string{}
	for _, name := range []string{"podinfo", "other"} {
		names[name] = w.deployment(name + "-primary").Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name
	}
	if diff := cmp.Diff(map[string]string{"podinfo": "settings-primary", "other": "settings-other-primary"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestAConfigurationThatIsMissingIsNamed(t *testing.T) {
	w := newWorld(t)
	w.apply(secretResource, `{apiVersion: v1, kind: Secret, metadata: {name: key, annotations: {flagger.app/config-tracking: disabled}}, data: {tls: c2VjcmV0}}`)
	w.apply(deployments, fmt.Sprintf(configured, "podinfo"))
	w.apply(canaries, fmt.Sprintf(withoutScaler, "podinfo"))
	w.start()
	w.until("somebody says so", func() bool { return w.told("ConfigMap settings, which the pods of podinfo read, does not exist") > 0 })
	if n := *w.deployment("podinfo").Spec.Replicas; n != 2 {
		t.Errorf("the target has %d replicas", n)
	}
	w.apply(configMaps, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: blue}}`)
	w.until("it goes on", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	spec := w.deployment("podinfo-primary").Spec.Template.Spec
	if from, key := spec.Containers[0].EnvFrom[0].ConfigMapRef.Name, spec.Volumes[0].Secret.SecretName; from != "settings-primary" || key != "key" {
		t.Errorf("the primary reads %s and %s; the Secret has opted out", from, key)
	}
}
