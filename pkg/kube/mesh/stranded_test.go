package mesh

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestRival(t *testing.T) {
	now := time.Unix(1000, 0)
	lease := func(name, holder string, renewed time.Duration, seconds *int32) *coordinationv1.Lease {
		at := metav1.NewMicroTime(now.Add(-renewed))
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "appmesh-system", Name: name},
			Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &at, LeaseDurationSeconds: seconds}}
	}
	five := int32(5)
	for name, c := range map[string]struct {
		lease    *coordinationv1.Lease
		answered bool
		want     string
	}{
		"no Lease":                       {nil, false, ""},
		"renewed lately":                 {lease(rivalLease, "pod-1", 20*time.Second, nil), false, "pod-1 renews Lease appmesh-system/appmesh-controller-leader-election"},
		"renewed long ago":               {lease(rivalLease, "pod-1", time.Minute, nil), false, ""},
		"with a duration of its own":     {lease(rivalLease, "pod-1", 11*time.Second, &five), false, ""},
		"given up":                       {lease(rivalLease, "", time.Second, nil), false, ""},
		"somebody else's":                {lease("other", "pod-1", time.Second, nil), false, ""},
		"without election, by its hooks": {nil, true, "its webhooks are answered"},
	} {
		t.Run(name, func(t *testing.T) {
			leases := []*coordinationv1.Lease{}
			if c.lease != nil {
				leases = append(leases, c.lease)
			}
			if got := rival(leases, legacyHooks{answered: c.answered}, now); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// stranded brings the state of the fixture about, in the order of its files.
func stranded(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, config: realkube.Start(t), namespace: "stranded"}
	w.connect()
	const dir = "../../../test/e2e/testdata/stranded/"
	_, objects, _ := strings.Cut(read(t, dir+"1-mesh.yaml"), "\n---\n") // not the namespace, which has no status of ours
	realkube.Kubectl(t, w.config, "", "apply", "-f", dir+"1-mesh.yaml")
	realkube.Kubectl(t, w.config, objects, "replace", "--subresource=status", "-f", "-")
	// Nobody makes service accounts here, and nobody runs the pods.
	realkube.Kubectl(t, w.config, "", "-n", w.namespace, "create", "serviceaccount", "default")
	realkube.Kubectl(t, w.config, "", "apply", "-f", dir+"2-pods.yaml")
	realkube.Kubectl(t, w.config, "", "apply", "-f", dir+"3-webhooks.yaml")
	t.Cleanup(func() { // they would refuse what other tests write
		hooks := w.kube.AdmissionregistrationV1()
		_ = hooks.MutatingWebhookConfigurations().Delete(context.Background(), "appmesh-controller-mutating-webhook-configuration", metav1.DeleteOptions{})
		_ = hooks.ValidatingWebhookConfigurations().Delete(context.Background(), "appmesh-controller-validating-webhook-configuration", metav1.DeleteOptions{})
	})
	until(t, "the API server asks the dead webhooks", func() bool {
		_, err := w.kube.CoreV1().Pods(w.namespace).Create(context.Background(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "new"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	})
	return w
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// says tells whether a condition has a reason and all of these words.
func (w *world) says(plural, name, kind, reason string, words ...string) bool {
	c, _ := w.condition(plural, name, kind)
	if c == nil || c["status"] != "True" || c["reason"] != reason {
		return false
	}
	message, _ := c["message"].(string)
	for _, word := range words {
		if !strings.Contains(message, word) {
			return false
		}
	}
	return true
}

func (w *world) gone(plural, name string) bool {
	_, err := w.resource(plural).Get(context.Background(), name, metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}

func (w *world) delete(plural, name string) {
	w.t.Helper()
	if err := w.resource(plural).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// podNow is a pod as it is.
func (w *world) podNow(name string) *corev1.Pod {
	w.t.Helper()
	pod, err := w.kube.CoreV1().Pods(w.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return pod
}

// TestStrandedCluster is test/e2e/testdata/stranded/what-must-hold.txt, as far as it needs no kubelet. The numbers are its.
func TestStrandedCluster(t *testing.T) {
	w := stranded(t)
	plain := w.podNow("plain").ResourceVersion
	w.registry = prometheus.NewRegistry()
	w.run()

	for _, proxy := range []mesh.ProxyID{w.proxy("red"), w.proxy("blue"), {Kind: mesh.ProxyVirtualGateway, Namespace: w.namespace, Name: "gateway"}} { // 1
		until(t, proxy.String()+" is served", func() bool { return w.published.has(proxy) })
	}
	until(t, "3: the gate is open", func() bool { return gate(w.podNow("blue-1")) == corev1.ConditionTrue })
	commands := []string{
		"kubectl delete mutatingwebhookconfiguration appmesh-controller-mutating-webhook-configuration",
		"kubectl delete validatingwebhookconfiguration appmesh-controller-validating-webhook-configuration",
	}
	until(t, "4: the dead webhooks are told", func() bool { return w.says("meshes", "stranded", "MeshActive", mesh.ReasonDeadWebhooks, commands...) })
	until(t, "5: the pods of red are told", func() bool {
		c, _ := w.condition("virtualnodes", "red", "VirtualNodeActive")
		return c["reason"] != nil && strings.Contains(c["message"].(string), `"red-1": 1 pods still have the sidecar of AWS`)
	})
	until(t, "5: those of the gateway", func() bool {
		return w.says("virtualgateways", "gateway", "VirtualGatewayActive", mesh.ReasonOldSidecars, `"gateway-1"`)
	})
	until(t, "4, 5: the metrics", func() bool {
		return w.metric("sluice_mesh_dead_webhook_configurations") == 2 && w.metric("sluice_mesh_stranded_pods") == 3
	})
	w.isAsAWSLeftIt(plain)

	// 6 and 7: the message says what to do, and it is done with nothing but what it says.
	w.delete("gatewayroutes", "red")
	if w.gone("gatewayroutes", "red") {
		t.Error("6: nothing held the route")
	}
	c, _ := w.condition("meshes", "stranded", "MeshActive")
	for _, command := range regexp.MustCompile(`kubectl (delete \S+ [^\s;]+)`).FindAllStringSubmatch(c["message"].(string), -1) {
		realkube.Kubectl(t, w.config, "", strings.Fields(command[1])...)
	}
	until(t, "7: nothing is dead any more", func() bool {
		return w.says("meshes", "stranded", "MeshActive", mesh.ReasonActive) && w.metric("sluice_mesh_dead_webhook_configurations") == 0
	})
	until(t, "8: the route is gone", func() bool { return w.gone("gatewayroutes", "red") })
	w.leaves()
}

// isAsAWSLeftIt is 2, and the rest of 3.
func (w *world) isAsAWSLeftIt(plain string) {
	w.t.Helper()
	for plural, arn := range map[string]string{"virtualnodes": "virtualNodeARN", "virtualservices": "virtualServiceARN", "virtualrouters": "virtualRouterARN",
		"virtualgateways": "virtualGatewayARN", "gatewayroutes": "gatewayRouteARN", "meshes": "meshARN"} {
		list, err := w.resource(plural).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, u := range list.Items {
			if plural == "meshes" && u.GetName() != "stranded" {
				continue
			}
			if text, _, _ := unstructured.NestedString(u.Object, "status", arn); text == "" {
				w.t.Errorf("2: %s %s lost its ARN", plural, u.GetName())
			}
			if len(u.GetFinalizers()) == 0 || strings.Contains(strings.Join(u.GetFinalizers(), ","), "sluice") {
				w.t.Errorf("2: %s %s has finalizers %v", plural, u.GetName(), u.GetFinalizers())
			}
		}
	}
	if now := w.podNow("plain").ResourceVersion; now != plain {
		w.t.Error("3: a pod without the gate was touched")
	}
}

// leaves is 8 and 9.
func (w *world) leaves() {
	w.t.Helper()
	const foreign = "example.com/mine"
	_, err := w.resource("virtualnodes").Patch(context.Background(), "blue", types.JSONPatchType,
		[]byte(`[{"op": "add", "path": "/metadata/finalizers/1", "value": "`+foreign+`"}]`), metav1.PatchOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.delete("virtualnodes", "blue")
	until(w.t, "8: somebody else's finalizer stays alone", func() bool {
		u, err := w.resource("virtualnodes").Get(context.Background(), "blue", metav1.GetOptions{})
		return err == nil && strings.Join(u.GetFinalizers(), ",") == foreign
	})

	w.delete("meshes", "stranded")
	const text = "objects belong to this mesh exists, please delete them to proceed. virtualService: 2, virtualRouter: 1, virtualNode: 1, virtualGateway: 1, gatewayRoute: 0"
	until(w.t, "9: the condition names the members", func() bool {
		return w.says("meshes", "stranded", "MeshActive", mesh.ReasonPendingMembers, text, "VirtualService/stranded/blue, VirtualService/stranded/red, VirtualRouter/stranded/red")
	})
	until(w.t, "9: App Mesh's event", func() bool {
		events, err := w.kube.CoreV1().Events(metav1.NamespaceDefault).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range events.Items {
			if e.Reason == "PendingMembersDeletion" && e.Type == corev1.EventTypeWarning && e.Message == text && e.InvolvedObject.Kind == "Mesh" && e.InvolvedObject.Name == "stranded" {
				return true
			}
		}
		return false
	})
	for _, member := range [][2]string{{"virtualservices", "red"}, {"virtualservices", "blue"}, {"virtualrouters", "red"}, {"virtualgateways", "gateway"}} {
		w.delete(member[0], member[1])
		until(w.t, "9: "+member[0]+" "+member[1]+" goes", func() bool { return w.gone(member[0], member[1]) })
	}
	if w.gone("meshes", "stranded") {
		w.t.Error("9: the mesh went before its last member")
	}
	w.delete("virtualnodes", "red")
	until(w.t, "9: the mesh goes with its last member", func() bool { return w.gone("meshes", "stranded") })
}

func gate(pod *corev1.Pod) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == appmeshv1beta2.ConditionCloudMapHealthy {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// metric adds up the values of a metric.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// TestTwoControllers: while App Mesh's controller renews its Lease, we leave to it what it writes, and say so.
func TestTwoControllers(t *testing.T) {
	w := newWorld(t)
	w.apply("virtualnodes", w.node("web"))
	system := realkube.Namespace(t, w.config, nil)
	holder, seconds, renewed := "appmesh-controller-1", int32(2), metav1.NewMicroTime(time.Now())
	leases := w.kube.CoordinationV1().Leases(system)
	lease, err := leases.Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: rivalLease},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &renewed},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for ctx.Err() == nil {
			patch, _ := json.Marshal(map[string]any{"spec": map[string]any{"renewTime": metav1.NewMicroTime(time.Now())}})
			_, _ = leases.Patch(ctx, lease.Name, types.MergePatchType, patch, metav1.PatchOptions{})
			time.Sleep(500 * time.Millisecond)
		}
	}()
	until(t, "it is told", func() bool {
		return w.says("meshes", w.namespace, "MeshActive", mesh.ReasonTwoControllers, "appmesh-controller-1 renews Lease "+system+"/"+rivalLease)
	})
	_, err = w.resource("virtualnodes").Patch(t.Context(), "web", types.MergePatchType,
		[]byte(`{"metadata": {"finalizers": ["`+appmeshv1beta2.FinalizerAWSAppMeshResources+`"]}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.delete("virtualnodes", "web")
	// Something that comes later is written, so the finalizer was seen and left.
	w.apply("virtualnodes", w.node("api"))
	until(t, "api is active", func() bool {
		return w.says("virtualnodes", "api", "VirtualNodeActive", mesh.ReasonActive) || w.told("api")
	})
	if w.gone("virtualnodes", "web") {
		t.Error("the finalizer was taken off although the other controller runs")
	}
	stop()
	until(t, "the finalizer goes when it has stopped", func() bool { return w.gone("virtualnodes", "web") })
	until(t, "nothing is told any more", func() bool { return w.says("meshes", w.namespace, "MeshActive", mesh.ReasonActive) })
}

// told tells whether a node has any condition.
func (w *world) told(name string) bool {
	c, _ := w.condition("virtualnodes", name, "VirtualNodeActive")
	return c != nil && c["reason"] != nil
}

// TestMetricsAreOfTheLeaseHolder: what a replica does not look at it does not count.
func TestMetricsAreOfTheLeaseHolder(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	m.set(leftovers{sidecars: map[string]int{"demo": 2}, dead: make([]deadHooks, 1), rival: "x"})
	m.setNaked([]nakedPod{{foreignPod: &foreignPod{}}})
	shown := func() (series int) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				if metric.GetGauge().GetValue() > 0 {
					series++
				}
			}
		}
		return series
	}
	if n := shown(); n != 4 {
		t.Errorf("%d gauges show something, want 4", n)
	}
	page := read(t, "../../../docs/metrics.md")
	families, err := registry.Gather()
	if err != nil || len(families) != 6 {
		t.Errorf("%d metrics (%v)", len(families), err)
	}
	for _, family := range families {
		if !strings.Contains(page, "| `"+family.GetName()+"` |") {
			t.Errorf("docs/metrics.md does not have %s", family.GetName())
		}
	}
	m.set(leftovers{})
	m.setNaked(nil)
	if n := shown(); n != 0 {
		t.Errorf("%d gauges still show something", n)
	}
}
