package mesh

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestFindNaked(t *testing.T) {
	yes := true
	enabled := map[string]string{appmeshv1beta2.AnnotationSidecarInjectorWebhook: appmeshv1beta2.ValueEnabled}
	namespace := func(name string, labels map[string]string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
	s := mesh.Snapshot{
		Namespaces: []*corev1.Namespace{namespace("demo", enabled), namespace("other", nil), namespace("sluice-system", enabled)},
		VirtualNodes: []*appmeshv1beta2.VirtualNode{
			{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "web"}, Spec: appmeshv1beta2.VirtualNodeSpec{
				MeshRef: &appmeshv1beta2.MeshReference{Name: "m"}, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}},
			{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "homeless"}, Spec: appmeshv1beta2.VirtualNodeSpec{
				PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}},
		},
	}
	pod := func(namespace, name, app string, change func(*corev1.Pod)) *foreignPod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": app, "pod-template-hash": "5d9"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: app + "-5d9", Controller: &yes}}}}
		if change != nil {
			change(p)
		}
		trimmed, err := trimForeignPod(p)
		if err != nil {
			t.Fatal(err)
		}
		return trimmed.(*foreignPod)
	}
	naked := findNaked([]*foreignPod{
		pod("demo", "web-2", "web", nil), pod("demo", "web-1", "web", nil), pod("demo", "lost", "lost", nil),
		pod("demo", "node", "web", func(p *corev1.Pod) { p.Spec.HostNetwork, p.OwnerReferences = true, nil }),
		pod("demo", "leaving", "web", func(p *corev1.Pod) { p.ObjectMeta = gone(p.ObjectMeta) }),
		pod("demo", "old", "web", func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{Name: "envoy", Env: []corev1.EnvVar{{Name: "APPMESH_VIRTUAL_NODE_NAME", Value: "mesh/m/virtualNode/web"}}}}
		}),
		pod("other", "web-1", "web", nil), pod("sluice-system", "web-1", "web", nil), pod("unknown", "web-1", "web", nil),
	}, s, "sluice-system")
	var got []string
	for _, pod := range naked {
		kind, reason, message := pod.event()
		got = append(got, fmt.Sprintf("%s %s %s: %s", pod.Name, kind, reason, message))
	}
	for _, p := range nakedProblems(naked) {
		got = append(got, p.Object.String()+" "+p.Reason+" "+p.Err.Error())
	}
	want := []string{
		"lost Warning NoMatch: no proxy: sidecarInject enabled but no matching VirtualNode or VirtualGateway found",
		"node Normal HostNetwork: no proxy: " + inject.ReasonHostNetwork.Sentence(),
		"web-1 Warning Naked: " + inject.ReasonNaked.Sentence() + "; VirtualNode demo/web selects it; run: kubectl -n demo rollout restart deployment/web",
		"web-2 Warning Naked: " + inject.ReasonNaked.Sentence() + "; VirtualNode demo/web selects it; run: kubectl -n demo rollout restart deployment/web",
		`VirtualNode/demo/web NakedPods pods: Invalid value: "web-1, web-2": 2 pods run without a proxy, so the mesh does nothing for their traffic; run: kubectl -n demo rollout restart deployment/web`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNakedPods: a pod that came without its proxy is told by event, metric and the condition of its virtual node, as long
// as it is there; so is, by event and metric, one that cannot have any.
func TestNakedPods(t *testing.T) {
	w := &world{t: t, config: realkube.Start(t), registry: prometheus.NewRegistry()}
	w.connect()
	w.namespace = realkube.Namespace(t, w.config, map[string]string{"mesh": "naked"})
	w.apply("meshes", `{kind: Mesh, metadata: {name: NAMESPACE}, spec: {awsName: NAMESPACE, namespaceSelector: {matchLabels: {mesh: naked}}}}`)
	w.apply("virtualnodes", w.node("web"))
	if _, err := w.kube.CoreV1().Services(w.namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	realkube.Kubectl(t, w.config, "", "-n", w.namespace, "create", "serviceaccount", "default")
	pods := w.kube.CoreV1().Pods(w.namespace)
	create := func(name string, change func(*corev1.Pod)) {
		t.Helper()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "web"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}}
		if change != nil {
			change(pod)
		}
		if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	create("early", nil) // before anybody looks, and before the namespace asks for anything
	w.run()
	until(t, "all is well", func() bool { return w.says("virtualnodes", "web", "VirtualNodeActive", mesh.ReasonActive) })
	opt := func(value string) {
		t.Helper()
		patch := `{"metadata": {"labels": {"` + appmeshv1beta2.AnnotationSidecarInjectorWebhook + `": "` + value + `"}}}`
		if _, err := w.kube.CoreV1().Namespaces().Patch(t.Context(), w.namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	opt("enabled")
	until(t, "a pod that is older than the label is told", func() bool {
		return w.says("virtualnodes", "web", "VirtualNodeActive", mesh.ReasonNakedPods, `"early": 1 pods run without a proxy`, "delete pod early")
	})
	create("late", nil)
	create("node", func(p *corev1.Pod) { p.Spec.HostNetwork = true })
	create("content", func(p *corev1.Pod) {
		p.Annotations = map[string]string{appmeshv1beta2.AnnotationSidecarInjectorWebhook: appmeshv1beta2.ValueDisabled}
	})
	until(t, "a pod that came without its proxy is told", func() bool {
		return w.says("virtualnodes", "web", "VirtualNodeActive", mesh.ReasonNakedPods, `"early, late": 2 pods`)
	})
	events := func() map[string]string {
		list, err := w.kube.CoreV1().Events(w.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, e := range list.Items {
			if e.InvolvedObject.Kind == "Pod" {
				out[e.InvolvedObject.Name] += e.Type + " " + e.Reason + " "
			}
		}
		return out
	}
	until(t, "the pods are told", func() bool {
		told := events()
		return told["early"] == "Warning Naked " && told["late"] == "Warning Naked " && told["node"] == "Normal HostNetwork "
	})
	if told := events(); len(told) != 3 {
		t.Errorf("events: %v", told)
	}
	if n := w.metric("sluice_mesh_naked_pods"); n != 3 {
		t.Errorf("the metric says %v, want 3", n)
	}
	for _, name := range []string{"early", "late"} {
		if err := pods.Delete(t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the condition is taken back", func() bool { return w.says("virtualnodes", "web", "VirtualNodeActive", mesh.ReasonActive) })
	opt("disabled")
	until(t, "nothing is counted", func() bool { return w.metric("sluice_mesh_naked_pods") == 0 })
}
