package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// objects are a mesh with a gateway in front of an application, and a release of another. PORT is where the applications
// are, GATEWAY where the gateway listens, HOOK who is asked before each step.
const objects = `
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: SHOP}
spec: {awsName: SHOP, namespaceSelector: {matchLabels: {mesh: SHOP}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualGateway
metadata: {name: edge, namespace: SHOP}
spec:
  namespaceSelector: {matchLabels: {mesh: SHOP}}
  podSelector: {matchLabels: {app: edge}}
  listeners: [{portMapping: {port: GATEWAY, protocol: http}}]
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: GatewayRoute
metadata: {name: web, namespace: SHOP}
spec: {httpRoute: {match: {prefix: /}, action: {target: {virtualService: {virtualServiceRef: {name: web}}}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: web, namespace: SHOP}
spec: {awsName: web.SHOP, provider: {virtualNode: {virtualNodeRef: {name: web}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: web, namespace: SHOP}
spec:
  # As the webhook would have completed it, which nobody asks here.
  meshRef: {name: SHOP, uid: u}
  awsName: web_SHOP
  podSelector: {matchLabels: {app: web}}
  listeners: [{portMapping: {port: PORT, protocol: http}}]
  serviceDiscovery: {dns: {hostname: localhost}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo, namespace: SHOP}
spec:
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec: {containers: [{name: podinfo, image: "podinfo:1", ports: [{containerPort: PORT}]}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: podinfo-primary, namespace: SHOP, labels: {kubernetes.io/service-name: podinfo-primary}}
addressType: IPv4
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [10.9.9.9], conditions: {ready: true}, targetRef: {kind: Pod, name: podinfo-primary-7d9c5-x2x4z}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: podinfo, namespace: SHOP, labels: {kubernetes.io/service-name: podinfo}}
addressType: IPv4
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [10.9.9.9], conditions: {ready: true}, targetRef: {kind: Pod, name: podinfo-primary-7d9c5-x2x4z}}]
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: SHOP}
spec:
  provider: appmesh
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: PORT}
  analysis:
    interval: 10s
    threshold: 100
    stepWeight: 5
    maxWeight: 50
    metrics:
      - {name: request-success-rate, thresholdRange: {min: 50}, interval: 30s}
      - {name: request-duration, thresholdRange: {max: 60000}, interval: 30s}
    webhooks: [{name: load, type: rollout, url: "HOOK"}]
`

// world is a mesh at work: our three processes, three Envoys, an application, and somebody who calls.
type world struct {
	t    *testing.T
	kube kubernetes.Interface
	// system is the namespace of our processes, shop that of the mesh.
	system, shop string
	kubeconfig   string
	admin        *rest.Config
	// network begins the addresses of this test's pods, on the loopback interface.
	network string
	// application is the port of the application, gateway that of the gateway, hooks that of the webhook process.
	application, gateway, hooks uint32
}

func newWorld(t *testing.T) *world {
	t.Helper()
	admin := realkube.Start(t)
	w := &world{
		t: t, admin: admin, kube: kubernetes.NewForConfigOrDie(admin), kubeconfig: realkube.Kubeconfig(t, admin),
		network: fmt.Sprintf("127.%d.%d.", 64+os.Getpid()%128, os.Getpid()/128%256), application: application(t), gateway: realenvoy.FreePort(t),
	}
	w.system = realkube.Namespace(t, admin, nil)
	w.shop = realkube.Namespace(t, admin, map[string]string{"appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"})
	realkube.Kubectl(t, admin, "", "label", "namespace", w.shop, "mesh="+w.shop)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	text := strings.NewReplacer("SHOP", w.shop, "PORT", fmt.Sprint(w.application), "GATEWAY", fmt.Sprint(w.gateway), "HOOK", hook.URL).Replace(objects)
	programs := build(t)
	w.startWebhook(filepath.Join(programs, "webhook"))
	port := w.startMesh(filepath.Join(programs, "mesh"))
	realkube.Kubectl(t, admin, text, "apply", "--server-side", "-f", "-")
	w.runDeployments()
	start(t, nil, filepath.Join(programs, "canary"), "-kubeconfig="+w.kubeconfig, "-lease-namespace="+w.system, "-namespace="+w.shop, "-mesh-peers=", "-leader-elect=false",
		"-health-address="+w.network+"3:8081", "-metrics-address="+w.network+"3:8080")
	w.pods(port)
	return w
}

// startWebhook runs the process that also issues the certificates of the others.
func (w *world) startWebhook(program string) {
	w.t.Helper()
	w.hooks = realenvoy.FreePort(w.t)
	start(w.t, []string{"KUBECONFIG=" + w.kubeconfig, "POD_NAMESPACE=" + w.system}, program,
		fmt.Sprintf("--port=%d", w.hooks), "--metrics-address="+w.network+"1:8080", "--health-address="+w.network+"1:8081", "--shutdown-delay=0s")
	until(w.t, "webhook is ready", func() error { return answers("http://" + w.network + "1:8081/readyz") })
}

func (w *world) startMesh(program string) (xds uint32) {
	w.t.Helper()
	xds = realenvoy.FreePort(w.t)
	dir := w.t.TempDir()
	for name, text := range w.secret(sluice.MeshTLSSecret).Data {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	start(w.t, []string{"POD_NAMESPACE=" + w.system}, program, "--kubeconfig="+w.kubeconfig, "--cert-dir="+dir, "--peers=",
		fmt.Sprintf("--xds-address=127.0.0.1:%d", xds), fmt.Sprintf("--peer-address=127.0.0.1:%d", realenvoy.FreePort(w.t)),
		fmt.Sprintf("--debug-address=127.0.0.1:%d", realenvoy.FreePort(w.t)), "--metrics-address="+w.network+"2:8080", "--health-address="+w.network+"2:8081")
	until(w.t, "mesh is ready", func() error { return answers("http://" + w.network + "2:8081/readyz") })
	return xds
}

func (w *world) secret(name string) (secret *corev1.Secret) {
	w.t.Helper()
	until(w.t, name+" is issued", func() (err error) {
		secret, err = w.kube.CoreV1().Secrets(w.system).Get(w.t.Context(), name, metav1.GetOptions{})
		return err
	})
	return secret
}

// pods makes the objects that Prometheus finds, and starts the Envoys of those in the mesh.
func (w *world) pods(xds uint32) {
	for i, process := range []string{sluice.WebhookService, sluice.MeshService, sluice.CanaryService} {
		w.pod(w.system, process+"-7d9c5-x2x4z", fmt.Sprint(i+1), map[string]string{"app.kubernetes.io/name": process}, nil,
			corev1.Container{Name: "process", Image: "sluice", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: sluice.MetricsPort}, {Name: "health", ContainerPort: sluice.HealthPort}}})
	}
	envoy := corev1.Container{Name: "envoy", Image: "envoy", Ports: []corev1.ContainerPort{{Name: "stats", ContainerPort: sluice.StatsPort}}}
	for i, app := range []string{"podinfo-primary", "podinfo"} {
		address := fmt.Sprint(10 + i)
		w.pod(w.shop, app+"-7d9c5-x2x4z", address, map[string]string{"app": app, sluice.LabelProxy: sluice.ProxyNode},
			map[string]string{sluice.AnnotationVirtualNode: map[string]string{"podinfo": "podinfo-canary"}[app] + map[string]string{"podinfo-primary": app}[app]}, envoy)
		node := map[string]string{"podinfo-primary": "podinfo-primary_", "podinfo": "podinfo-canary_"}[app] + w.shop
		startSidecar(w.t, mesh.NodeListener{Mesh: w.shop, Node: node, Protocol: mesh.HTTP, Port: w.application}, w.shop, w.network+address)
	}
	const edge = "edge-7d9c5-x2x4z"
	w.pod(w.shop, edge, "12", map[string]string{"app": "edge", sluice.LabelProxy: sluice.ProxyGateway}, map[string]string{sluice.AnnotationVirtualGateway: "edge"}, envoy)
	startGateway(w.t, edge, w.shop, w.network+"12", w.token(edge), w.secret(sluice.MeshTLSSecret).Data["ca.crt"], xds,
		fmt.Sprintf("%s.%s.svc.cluster.local", sluice.MeshService, w.system))
}

func (w *world) pod(namespace, name, address string, labels, annotations map[string]string, container corev1.Container) {
	w.t.Helper()
	ctx := w.t.Context()
	if _, err := w.kube.CoreV1().ServiceAccounts(namespace).Get(ctx, "app", metav1.GetOptions{}); err != nil {
		if _, err := w.kube.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app"}}, metav1.CreateOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
	pod, err := w.kube.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations},
		Spec:       corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{container}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodRunning, w.network+address, []corev1.PodIP{{IP: w.network + address}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if _, err := w.kube.CoreV1().Pods(namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) token(pod string) string {
	w.t.Helper()
	token, err := w.kube.CoreV1().ServiceAccounts(w.shop).CreateToken(w.t.Context(), "app", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{sluice.TokenAudience}, BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod},
	}}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Status.Token
}

// runDeployments says of every Deployment what its controller would, once its pods run.
func (w *world) runDeployments() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	deployments := w.kube.AppsV1().Deployments(w.shop)
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
			list, err := deployments.List(ctx, metav1.ListOptions{})
			if err != nil {
				continue
			}
			for _, d := range list.Items {
				n := *d.Spec.Replicas
				status, err := json.Marshal(map[string]any{"status": appsv1.DeploymentStatus{
					ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
				}})
				if err == nil && d.Status.ObservedGeneration != d.Generation {
					_, err = deployments.Patch(ctx, d.Name, types.MergePatchType, status, metav1.PatchOptions{}, "status")
				}
				if err != nil && ctx.Err() == nil {
					w.t.Errorf("say that %s is ready: %v", d.Name, err)
				}
			}
		}
	}()
}
