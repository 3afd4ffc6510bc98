package mesh

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// addresses are the endpoints of a cluster as a proxy was last given them; nil if it does not have the cluster.
func (w *world) addresses(proxy, cluster string) []string {
	w.published.mu.Lock()
	defer w.published.mu.Unlock()
	resources := w.published.last[w.proxy(proxy)]
	if resources == nil {
		return nil
	}
	for _, e := range resources.Endpoints {
		if e.GetClusterName() == cluster {
			out := []string{}
			for _, locality := range e.GetEndpoints() {
				for _, endpoint := range locality.GetLbEndpoints() {
					out = append(out, endpoint.GetEndpoint().GetAddress().GetSocketAddress().GetAddress())
				}
			}
			return out
		}
	}
	return nil
}

// pod creates a pod of an app, and says its address and whether its containers are ready, as the kubelet would.
func (w *world) pod(name, app, ip string, ready corev1.ConditionStatus) {
	w.t.Helper()
	pods := w.kube.CoreV1().Pods(w.namespace)
	_, err := pods.Create(context.Background(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "none"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.podStatus(name, ip, ready)
}

func (w *world) podStatus(name, ip string, ready corev1.ConditionStatus) {
	w.t.Helper()
	_, err := w.kube.CoreV1().Pods(w.namespace).Patch(context.Background(), name, types.StrategicMergePatchType, []byte(
		`{"status": {"podIP": "`+ip+`", "podIPs": [{"ip": "`+ip+`"}], "conditions": [{"type": "ContainersReady", "status": "`+string(ready)+`"}]}}`),
		metav1.PatchOptions{}, "status")
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestPodsAreEndpointsOfCloudMap follows the pods of a virtual node that is found through Cloud Map, and holds that
// nobody watches pods before there is one.
func TestPodsAreEndpointsOfCloudMap(t *testing.T) {
	w := newWorld(t)
	w.pod("color-1", "color", "10.0.0.1", corev1.ConditionTrue)
	w.apply("virtualnodes", w.node("web"))
	until(t, "web is published", func() bool { return w.published.has(w.proxy("web")) })
	if got := w.controller.sources.instances.GetStore().ListKeys(); len(got) > 0 {
		t.Errorf("pods %v are watched, and no virtual node needs them", got)
	}

	w.apply("virtualnodes", `{kind: VirtualNode, metadata: {name: color, namespace: NAMESPACE}, spec: {
		awsName: color_NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, podSelector: {matchLabels: {app: color}},
		listeners: [{portMapping: {port: 8080, protocol: http}}],
		serviceDiscovery: {awsCloudMap: {namespaceName: local, serviceName: color}}}}`)
	w.apply("virtualservices", `{kind: VirtualService, metadata: {name: color, namespace: NAMESPACE}, spec: {
		awsName: color.NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, provider: {virtualNode: {virtualNodeRef: {name: color}}}}}`)
	w.apply("virtualnodes", `{kind: VirtualNode, metadata: {name: caller, namespace: NAMESPACE}, spec: {
		awsName: caller_NAMESPACE, meshRef: {name: NAMESPACE, uid: MESHUID}, podSelector: {matchLabels: {app: caller}},
		backends: [{virtualService: {virtualServiceRef: {name: color}}}]}}`)
	cluster := "cds_egress_" + w.namespace + "_color_" + w.namespace + "_http_8080"
	want := func(what string, addresses ...string) {
		t.Helper()
		until(t, what, func() bool {
			got := w.addresses("caller", cluster)
			return got != nil && slices.Equal(got, addresses)
		})
	}
	want("the pod is an endpoint", "10.0.0.1")
	w.pod("color-2", "color", "10.0.0.2", corev1.ConditionFalse)
	w.pod("other", "other", "10.0.0.3", corev1.ConditionTrue)
	w.podStatus("color-2", "10.0.0.2", corev1.ConditionTrue)
	want("the second pod is one when it is ready", "10.0.0.1", "10.0.0.2")
	w.podStatus("color-1", "10.0.0.1", corev1.ConditionFalse)
	want("the first is none when it is not", "10.0.0.2")
	if err := w.kube.CoreV1().Pods(w.namespace).Delete(context.Background(), "color-2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	want("the second is gone")
}
