package canary

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func (w *world) daemonSet(name string) *appsv1.DaemonSet {
	w.t.Helper()
	d, err := w.kube.AppsV1().DaemonSets(w.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) service(name string) *corev1.Service {
	w.t.Helper()
	s, err := w.kube.CoreV1().Services(w.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// ofKind is podinfoCanary for a target of another kind, which cannot have an autoscaler.
func ofKind(apiVersion, kind string) string {
	var out []string
	for _, line := range strings.Split(podinfoCanary, "\n") {
		if !strings.Contains(line, "autoscalerRef") {
			out = append(out, line)
		}
	}
	return strings.Replace(strings.Join(out, "\n"),
		"{apiVersion: apps/v1, kind: Deployment,", "{apiVersion: "+apiVersion+", kind: "+kind+",", 1)
}

func TestADaemonSetIsReleased(t *testing.T) {
	w := newWorld(t)
	w.apply(daemonSets, `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: podinfo}
spec:
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec:
      nodeSelector: {kubernetes.io/os: linux}
      containers: [{name: podinfo, image: "podinfo:3.1.0", ports: [{containerPort: 9898}]}]
`)
	w.apply(canaries, ofKind("apps/v1", "DaemonSet"))
	w.start()
	idle := func() bool { return w.daemonSet("podinfo").Status.DesiredNumberScheduled == 0 }
	w.until("it is initialised and off the nodes", func() bool { return w.phase(canaryv1beta1.CanaryPhaseInitialized)() && idle() })
	primary := w.daemonSet("podinfo-primary")
	if diff := cmp.Diff(map[string]string{"kubernetes.io/os": "linux"}, primary.Spec.Template.Spec.NodeSelector); diff != "" {
		t.Errorf("the primary's node selector:\n%s", diff)
	}
	// What GitOps does when it prunes what it does not know.
	patch := []byte(`{"spec":{"template":{"spec":{"nodeSelector":{"flagger.app/scale-to-zero":null}}}}}`)
	_, err := w.kube.AppsV1().DaemonSets(w.namespace).Patch(context.Background(), "podinfo", types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.until("it is off the nodes again", func() bool {
		return w.daemonSet("podinfo").Spec.Template.Spec.NodeSelector["flagger.app/scale-to-zero"] == "true"
	})
	patch = []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"podinfo","image":"podinfo:3.1.1"}]}}}}`)
	_, err = w.kube.AppsV1().DaemonSets(w.namespace).Patch(context.Background(), "podinfo", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.until("it is promoted and off the nodes", func() bool { return w.phase(canaryv1beta1.CanaryPhaseSucceeded)() && idle() })
	if got, want := w.weights.last(5), []int{0, 20, 40, 60, 0}; !cmp.Equal(got, want) {
		t.Errorf("weights %v, want %v", got, want)
	}
	if image := w.daemonSet("podinfo-primary").Spec.Template.Spec.Containers[0].Image; image != "podinfo:3.1.1" {
		t.Errorf("the primary runs %s", image)
	}
}

func TestAServiceIsReleased(t *testing.T) {
	w := newWorld(t)
	for _, version := range []string{"v1", "v2"} {
		w.apply(deployments, strings.NewReplacer("name: podinfo\n", "name: podinfo-"+version+"\n", "{app: podinfo}", "{app: podinfo, version: "+version+"}").Replace(podinfoDeployment))
	}
	w.apply(services, `
apiVersion: v1
kind: Service
metadata: {name: podinfo}
spec:
  selector: {app: podinfo, version: v1}
  ports: [{name: http, port: 9898, targetPort: 9898}]
`)
	w.apply(canaries, ofKind("v1", "Service"))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	if w.service("podinfo-primary").Spec.Selector["version"] != "v1" || w.service("podinfo-canary").Spec.Selector["version"] != "v1" {
		t.Error("the clones do not select what the target does")
	}
	_, err := w.kube.CoreV1().Services(w.namespace).Patch(context.Background(), "podinfo", types.MergePatchType,
		[]byte(`{"spec":{"selector":{"version":"v2"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the canary follows and gets traffic", func() bool {
		return w.service("podinfo-canary").Spec.Selector["version"] == "v2" && w.canary().Status.CanaryWeight == 20
	})
	if v := w.service("podinfo-primary").Spec.Selector["version"]; v != "v1" {
		t.Errorf("the primary has %s before the promotion", v)
	}
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	if v := w.service("podinfo-primary").Spec.Selector["version"]; v != "v2" {
		t.Errorf("the primary has %s after the promotion", v)
	}
	if s := w.service("podinfo"); s.Spec.Selector["version"] != "v2" || len(s.OwnerReferences)+len(s.Annotations) != 0 {
		t.Errorf("the target is not ours: %+v", s)
	}
	for _, version := range []string{"v1", "v2"} {
		if n := *w.deployment("podinfo-" + version).Spec.Replicas; n != 2 {
			t.Errorf("%s has %d replicas: they are not ours", version, n)
		}
	}
}
