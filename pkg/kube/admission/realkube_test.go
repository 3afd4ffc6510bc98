package admission_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realkube"
)

const podText = `{apiVersion: v1, kind: Pod, metadata: {name: podinfo, labels: {app: podinfo}}, spec: {serviceAccountName: default, containers: [{name: podinfod, image: podinfo}]}}`

func TestPodIsInjected(t *testing.T) {
	c := start(t)
	kube, namespace := c.as(t, nil, nil), c.meshed(t, "enabled")
	node := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: podinfo}, spec: {
		podSelector: {matchLabels: {app: podinfo}}, listeners: [{portMapping: {port: 9898, protocol: http}}], serviceDiscovery: {dns: {hostname: podinfo}}}}`))
	must(t, kube.Create(t.Context(), node))
	// At once: whether or not the cache has heard of the virtual node, the pod must not stay without its proxy.
	pod := in(namespace, object(t, podText))
	must(t, kube.Create(t.Context(), pod))

	live := get(t, kube, pod)
	names := []string{}
	inits, _, _ := unstructured.NestedSlice(live.Object, "spec", "initContainers")
	for _, container := range inits {
		names = append(names, container.(map[string]any)["name"].(string))
	}
	if strings.Join(names, ",") != "envoy,proxyinit" {
		t.Errorf("init containers %v", names)
	}
	if got := live.GetLabels()[sluice.LabelProxy] + " " + live.GetAnnotations()[sluice.AnnotationVirtualNode]; got != "node podinfo" {
		t.Errorf("bound to %q", got)
	}
}

// TestBurst creates pods of a virtual node that has just been created, many at once: none may miss its proxy, and none
// may be refused.
func TestBurst(t *testing.T) {
	c := start(t)
	kube, namespace := c.as(t, nil, nil), c.meshed(t, "enabled")
	must(t, kube.Create(t.Context(), in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: podinfo}, spec: {podSelector: {matchLabels: {app: podinfo}}}}`))))
	const pods, writers = 1000, 20
	names := make(chan string)
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for name := range names {
				pod := in(namespace, object(t, podText))
				pod.SetName(name)
				if err := kube.Create(t.Context(), pod); err != nil {
					t.Errorf("refused: %v", err)
				} else if pod.GetLabels()[sluice.LabelProxy] != sluice.ProxyNode {
					t.Errorf("%s has no proxy", name)
				}
			}
		})
	}
	for i := range pods {
		names <- fmt.Sprintf("podinfo-%d", i)
	}
	close(names)
	running.Wait()
}

func TestPodsThatAreNotInjected(t *testing.T) {
	c := start(t)
	var heard warnings
	kube := c.as(t, nil, &heard)

	enabled := c.meshed(t, "enabled")
	err := kube.Create(t.Context(), in(enabled, object(t, podText)))
	if refusal(err) != "sidecarInject enabled but no matching VirtualNode or VirtualGateway found" || !apierrors.IsForbidden(err) {
		t.Errorf("a pod that nothing selects: %v", err)
	}
	host := in(enabled, object(t, podText))
	must(t, unstructured.SetNestedField(host.Object, true, "spec", "hostNetwork"))
	must(t, kube.Create(t.Context(), host))
	if got := heard.take(); !strings.Contains(got, "the pod gets no proxy: the pod uses the network of its node") {
		t.Errorf("warnings: %s", got)
	}

	for name, mode := range map[string]string{"a namespace that opted out": "disabled", "a namespace that nobody labelled": "somehow"} {
		pod := in(c.meshed(t, mode), object(t, podText))
		must(t, kube.Create(t.Context(), pod))
		if live := get(t, kube, pod); live.GetLabels()[sluice.LabelProxy] != "" {
			t.Errorf("%s: injected", name)
		}
		if got := heard.take(); got != "" {
			t.Errorf("%s: warnings: %s", name, got)
		}
	}
}

func TestDefaultsOfEveryKind(t *testing.T) {
	c := start(t)
	kube := c.as(t, nil, nil)
	namespace := c.meshed(t, "enabled")
	ns := &corev1.Namespace{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: namespace}, ns))
	mesh := ns.Labels["mesh"]

	for _, kind := range []string{"VirtualNode", "VirtualRouter", "VirtualService", "VirtualGateway", "BackendGroup", "GatewayRoute"} {
		spec := map[string]string{
			"VirtualRouter":  `listeners: [{portMapping: {port: 80, protocol: http}}]`,
			"VirtualGateway": fmt.Sprintf(`namespaceSelector: {matchLabels: {mesh: %s}}`, mesh),
			"GatewayRoute":   `httpRoute: {match: {prefix: /}, action: {target: {virtualService: {virtualServiceRef: {name: a}}}}}`,
		}[kind]
		// Together with the gateway that it belongs to, which a moment ago was not there.
		u := in(namespace, object(t, fmt.Sprintf(`{apiVersion: appmesh.k8s.aws/v1beta2, kind: %s, metadata: {name: color}, spec: {futureField: {kept: "yes"}, %s}}`, kind, spec)))
		must(t, kube.Create(t.Context(), u))
		live := get(t, kube, u)

		wantName := "color_" + namespace
		switch kind {
		case "VirtualService":
			wantName = "color." + namespace
		case "BackendGroup":
			wantName = ""
		}
		if got := text(t, live, "spec", "awsName"); got != wantName {
			t.Errorf("%s: awsName %q, want %q", kind, got, wantName)
		}
		if got := text(t, live, "spec", "meshRef", "name"); got != mesh || text(t, live, "spec", "meshRef", "uid") == "" {
			t.Errorf("%s: meshRef %q, want %q", kind, got, mesh)
		}
		if kind == "GatewayRoute" && text(t, live, "spec", "virtualGatewayRef", "name") != "color" {
			t.Errorf("the gateway is %v", live.Object["spec"])
		}
		if got := text(t, live, "spec", "futureField", "kept"); got != "yes" {
			t.Errorf("%s: an unknown field was lost", kind)
		}
		for field := range live.Object["spec"].(map[string]any) {
			if !strings.Contains("awsName meshRef virtualGatewayRef futureField "+spec, field) {
				t.Errorf("%s: %s was added", kind, field)
			}
		}
	}
}

func TestWhatAppMeshRefused(t *testing.T) {
	c := start(t)
	kube := c.as(t, nil, nil)
	namespace := c.meshed(t, "enabled")

	lost := c.unmeshed(t)
	err := kube.Create(t.Context(), in(lost, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a}, spec: {}}`)))
	if want := "failed to find matching mesh for namespace: " + lost + ", expecting 1 but found 0"; refusal(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = kube.Create(t.Context(), in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a}, spec: {meshRef: {name: other, uid: x}}}`)))
	if want := "VirtualNode create may not specify read-only field: spec.meshRef"; refusal(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = kube.Create(t.Context(), in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a}, spec: {listeners: [{portMapping: {port: 1, protocol: http}}]}}`)))
	if want := "ServiceDiscovery missing for VirtualNode-a. ServiceDiscovery must be specified when a listener is specified."; refusal(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}

	node := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a}, spec: {}}`))
	must(t, kube.Create(t.Context(), node))
	must(t, unstructured.SetNestedField(node.Object, "other", "spec", "awsName"))
	must(t, unstructured.SetNestedField(node.Object, "other", "spec", "meshRef", "name"))
	err = kube.Update(t.Context(), node)
	if want := "VirtualNode update may not change these fields: spec.awsName,spec.meshRef"; refusal(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestDemoApplies: the walk-through that everybody tries first is not refused, and the only warnings are about the
// services that its Canary makes, which comes last, and about its autoscaler, which counts the proxy.
func TestDemoApplies(t *testing.T) {
	c := start(t)
	var heard warnings
	kube := c.as(t, nil, &heard)
	const demo = "../../../config/demo"
	list, _, err := unstructured.NestedStringSlice(documents(t, demo+"/kustomization.yaml")[0].Object, "resources")
	must(t, err)
	for _, file := range list {
		for _, doc := range documents(t, filepath.Join(demo, file)) {
			if err := kube.Create(t.Context(), doc); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if doc.GetKind() == "Mesh" { // other tests have one of that name
				t.Cleanup(func() { must(t, c.as(t, canaryAccount, nil).Delete(context.Background(), doc)) })
			}
		}
	}
	for warning := range strings.SplitSeq(heard.take(), "\n") {
		if !strings.Contains(warning, `SL104: Not found: "demo/podinfo`) && !strings.Contains(warning, ": SL011: ") {
			t.Errorf("warning: %s", warning)
		}
	}
}

// TestBackupCanBeRestored: what kubectl get prints can be created again, which App Mesh refused.
func TestBackupCanBeRestored(t *testing.T) {
	c := start(t)
	var heard warnings
	kube, namespace := c.as(t, nil, &heard), c.meshed(t, "enabled")
	node := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a}, spec: {}}`))
	must(t, kube.Create(t.Context(), node))
	backup := get(t, kube, node)
	must(t, kube.Delete(t.Context(), node))
	backup.SetResourceVersion("")
	must(t, unstructured.SetNestedField(backup.Object, "of-another-cluster", "spec", "meshRef", "uid"))
	must(t, kube.Create(t.Context(), backup))
	if got := heard.take(); !strings.Contains(got, "spec.meshRef.uid: of-another-cluster is the uid of another Mesh") {
		t.Errorf("warnings: %s", got)
	}
}

// TestKubectlGetCanBeCreated does with the real kubectl what people do to move objects: get -o yaml, then create.
func TestKubectlGetCanBeCreated(t *testing.T) {
	c := start(t)
	kube, namespace := c.as(t, nil, nil), c.meshed(t, "enabled")
	mesh := &corev1.Namespace{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: namespace}, mesh))
	for _, text := range []string{
		`kind: VirtualGateway, metadata: {name: gw}, spec: {namespaceSelector: {matchLabels: {mesh: ` + mesh.Labels["mesh"] + `}}, listeners: [{portMapping: {port: 8088, protocol: http}}]}`,
		`kind: VirtualNode, metadata: {name: a}, spec: {listeners: [{portMapping: {port: 80, protocol: http}}], serviceDiscovery: {dns: {hostname: a}}}`,
		`kind: VirtualService, metadata: {name: a}, spec: {provider: {virtualNode: {virtualNodeRef: {name: a}}}}`,
		`kind: GatewayRoute, metadata: {name: a}, spec: {httpRoute: {match: {prefix: /}, action: {target: {virtualService: {virtualServiceRef: {name: a}}}}}}`,
	} {
		must(t, kube.Create(t.Context(), in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, `+text+`}`))))
	}
	const kinds = "virtualnodes,virtualservices,gatewayroutes" // not the gateway: the route's reference stays good
	backup := realkube.Kubectl(t, c.config, "", "-n", namespace, "get", kinds, "-o", "yaml")
	realkube.Kubectl(t, c.config, "", "-n", namespace, "delete", kinds, "--all")
	if out := realkube.Kubectl(t, c.config, backup, "create", "-f", "-"); strings.Count(out, " created") != 3 || strings.Contains(out, "Warning") {
		t.Errorf("the same cluster: %s", out)
	}
	// A backup of another cluster: the names are the same, the uids are not.
	realkube.Kubectl(t, c.config, "", "-n", namespace, "delete", kinds, "--all")
	foreign := regexp.MustCompile(`(?m)^(    (?:meshRef|virtualGatewayRef):\n(?:      .*\n)*?      uid: ).*$`).ReplaceAllString(backup, "${1}of-another-cluster")
	if out := realkube.Kubectl(t, c.config, foreign, "create", "-f", "-"); strings.Count(out, " created") != 3 || !strings.Contains(out, "is the uid of another Mesh ") ||
		!strings.Contains(out, "is the uid of another VirtualGateway ") { // kubectl says the same only once
		t.Errorf("another cluster: %s", out)
	}
}

// TestWhatTheMeshWouldSay: the control plane's own words at apply.
func TestWhatTheMeshWouldSay(t *testing.T) {
	c := start(t)
	var heard warnings
	kube, unjudged, namespace := c.as(t, nil, &heard), c.as(t, canaryAccount, nil), c.meshed(t, "enabled")
	router := func(target string) *unstructured.Unstructured {
		return in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualRouter, metadata: {name: `+target+`}, spec: {listeners: [{portMapping: {port: 80, protocol: http}}],
			routes: [{name: all, httpRoute: {match: {prefix: /}, action: {weightedTargets: [{virtualNodeRef: {name: `+target+`}, weight: 1}]}}}]}}`))
	}
	node := func(name, more string) *unstructured.Unstructured {
		return in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: `+name+`}, spec: {listeners: [{portMapping: {port: 80, protocol: http}`+more+`}], serviceDiscovery: {dns: {hostname: a}}}}`))
	}

	must(t, kube.Create(t.Context(), router("later")))
	if got := heard.take(); !strings.Contains(got, `SL046: Not found: "`+namespace+`/later"`) {
		t.Errorf("a target that is not there: warnings: %s", got)
	}
	// Applied together, faster than the caches follow: there is nothing to warn about.
	must(t, kube.Create(t.Context(), node("a", "")))
	must(t, kube.Create(t.Context(), router("a")))
	if got := heard.take(); got != "" {
		t.Errorf("a target that was made a moment ago: warnings: %s", got)
	}

	const mistake = `, connectionPool: {tcp: {maxConnections: 1}}`
	if err := kube.Create(t.Context(), node("b", mistake)); !strings.HasPrefix(refusal(err), "spec.listeners[0].connectionPool.tcp: SL102: ") {
		t.Errorf("a pool of another protocol: %v", err)
	}
	// It may be there from before. Then everything that makes it no worse goes through.
	stored := node("b", mistake)
	stored.SetFinalizers([]string{"test.sluice.dev/hold"})
	must(t, unjudged.Create(t.Context(), stored))
	heard.take()
	live := get(t, kube, stored)
	must(t, unstructured.SetNestedField(live.Object, map[string]any{}, "spec", "podSelector"))
	if err := kube.Update(t.Context(), live); err != nil {
		t.Errorf("an update of something else: %v", err)
	}
	if got := heard.take(); !strings.Contains(got, "SL102") {
		t.Errorf("the old mistake is not told: %s", got)
	}
	must(t, unstructured.SetNestedSlice(live.Object, []any{map[string]any{"type": "VirtualNodeActive", "status": "True"}}, "status", "conditions"))
	if err := kube.Status().Update(t.Context(), live); err != nil {
		t.Errorf("its status: %v", err)
	}
	must(t, kube.Delete(t.Context(), live))
	live = get(t, kube, stored)
	live.SetFinalizers(nil)
	if err := kube.Update(t.Context(), live); err != nil {
		t.Errorf("its finalizer: %v", err)
	}
}

// TestAutoscalersOfWholePods: the default metric of the API server counts the proxy, too, and its author is told, even before
// there is a Canary.
func TestAutoscalersOfWholePods(t *testing.T) {
	c := start(t)
	var heard warnings
	kube := c.as(t, nil, &heard)
	const text = `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`
	for mode, want := range map[string]int{"enabled": 1, "disabled": 0} {
		must(t, kube.Create(t.Context(), in(c.meshed(t, mode), object(t, text))))
		if got := heard.take(); strings.Count(got, "spec.metrics[0]: SL011: cpu of type Resource is that of whole pods") != want {
			t.Errorf("%s: %q", mode, got)
		}
	}
}

// TestWhatHasMembersIsNotDeleted, in App Mesh's words; but nothing is held that goes with its namespace.
func TestWhatHasMembersIsNotDeleted(t *testing.T) {
	c := start(t)
	kube, namespace := c.as(t, nil, nil), c.meshed(t, "enabled")
	ns := &corev1.Namespace{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: namespace}, ns))
	mesh := object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: Mesh, metadata: {name: `+ns.Labels["mesh"]+`}}`)
	node := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a}, spec: {}}`))
	gateway := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualGateway, metadata: {name: gw}, spec: {namespaceSelector: {matchLabels: {mesh: `+ns.Labels["mesh"]+`}}, listeners: [{portMapping: {port: 8088, protocol: http}}]}}`))
	route := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: GatewayRoute, metadata: {name: r}, spec: {httpRoute: {match: {prefix: /}, action: {target: {virtualService: {virtualServiceRef: {name: a}}}}}}}`))
	for _, o := range []*unstructured.Unstructured{node, gateway, route} {
		must(t, kube.Create(t.Context(), o))
	}
	refused := func(o client.Object, want string) {
		t.Helper()
		eventually(t, "the deletion is refused", func() error {
			if err := kube.Delete(t.Context(), o, client.DryRunAll); refusal(err) != want {
				return fmt.Errorf("got %w, want %s", err, want)
			}
			return nil
		})
	}
	refused(mesh, "objects belong to this mesh exists, please delete them to proceed. virtualService: 0, virtualRouter: 0, virtualNode: 1, virtualGateway: 1, gatewayRoute: 1"+
		fmt.Sprintf(" (VirtualNode/%s/a, VirtualGateway/%[1]s/gw, GatewayRoute/%[1]s/r)", namespace))
	refused(gateway, "objects belonging to this virtualGateway exist, please delete them to proceed. gatewayRoute: 1 (GatewayRoute/"+namespace+"/r)")

	must(t, kube.Delete(t.Context(), ns))   // without its controller, it stays in the state Terminating
	must(t, kube.Delete(t.Context(), mesh)) // at once, as kubectl delete does with a file that has both
	eventually(t, "the gateway goes with its namespace", func() error { return kube.Delete(t.Context(), gateway) })
	for _, o := range []*unstructured.Unstructured{route, node} {
		must(t, kube.Delete(t.Context(), o))
	}
}

// TestCertificateIsReplacedUnderTraffic deletes the serving certificate, then the authority: the API server goes on
// being answered, and the handshake shows the successor.
func TestCertificateIsReplacedUnderTraffic(t *testing.T) {
	c := start(t)
	kube := c.as(t, nil, nil)
	for _, secret := range []string{sluice.WebhookTLSSecret, sluice.CASecret} {
		before := c.shown(t)
		must(t, kube.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: sluice.SystemNamespace, Name: secret}}))
		eventually(t, "the successor is shown", func() error {
			if c.shown(t) == before {
				return errors.New("still the old one")
			}
			return nil
		})
		c.waitUntilAsked(t)
	}
}

// shown is the serial number of the certificate that the process shows right now.
func (c *cluster) shown(t *testing.T) string {
	t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port), &tls.Config{InsecureSkipVerify: true}) // it is looked at, not trusted
	must(t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestOutage ends the webhook process: traffic can still be shifted, by us and by others; pods elsewhere and objects on
// their way out are not held up; what needs us is refused rather than let through unseen.
func TestOutage(t *testing.T) {
	c := start(t)
	kube, ours := c.as(t, nil, nil), c.as(t, canaryAccount, nil)
	namespace := c.meshed(t, "enabled")
	router := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualRouter, metadata: {name: r}, spec: {listeners: [{portMapping: {port: 80, protocol: http}}],
		routes: [{name: r, httpRoute: {match: {prefix: /}, action: {weightedTargets: [{virtualNodeRef: {name: a}, weight: 100}]}}}]}}`))
	must(t, kube.Create(t.Context(), router))
	node := in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a, finalizers: [test.sluice.dev/hold]}, spec: {}}`))
	must(t, kube.Create(t.Context(), node))
	canary := in(namespace, object(t, `{apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: c}, spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: d}, service: {port: 80}, analysis: {stepWeight: 5}}}`))
	must(t, kube.Create(t.Context(), canary))

	c.stop()

	for name, writer := range map[string]client.Client{"our canary process": ours, "somebody else": kube} {
		live := get(t, kube, router)
		routes, _, _ := unstructured.NestedSlice(live.Object, "spec", "routes")
		routes[0].(map[string]any)["priority"] = int64(len(name))
		must(t, unstructured.SetNestedSlice(live.Object, routes, "spec", "routes"))
		if err := writer.Update(t.Context(), live); err != nil {
			t.Errorf("%s cannot shift traffic: %v", name, err)
		}
	}
	live := get(t, kube, canary)
	must(t, unstructured.SetNestedField(live.Object, true, "spec", "suspend"))
	if err := kube.Update(t.Context(), live); err != nil {
		t.Errorf("a Canary cannot be suspended: %v", err)
	}
	ns := &corev1.Namespace{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: namespace}, ns))
	if err := kube.Delete(t.Context(), object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: Mesh, metadata: {name: `+ns.Labels["mesh"]+`}}`)); err != nil {
		t.Errorf("a Mesh cannot be deleted: %v", err)
	}
	must(t, kube.Delete(t.Context(), node))
	leaving := get(t, kube, node)
	leaving.SetFinalizers(nil)
	if err := kube.Update(t.Context(), leaving); err != nil {
		t.Errorf("a finalizer cannot be taken off: %v", err)
	}
	if err := kube.Create(t.Context(), in(realkube.Namespace(t, c.config, nil), object(t, podText))); err != nil {
		t.Errorf("a pod that has nothing to do with us cannot be created: %v", err)
	}
	if err := kube.Create(t.Context(), in(sluice.SystemNamespace, object(t, podText))); err != nil {
		t.Errorf("our own pods cannot be created: %v", err)
	}
	if err := kube.Create(t.Context(), in(namespace, object(t, podText))); err == nil {
		t.Error("an opted-in pod was created without its proxy")
	}
	if err := ours.Create(context.Background(), in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: b}, spec: {}}`))); err == nil {
		t.Error("a virtual node was created without its mesh")
	}
}
