package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// installation is a real API server with a gateway in it.
type installation struct {
	t         *testing.T
	config    *rest.Config
	kube      *kubernetes.Clientset
	dyn       *dynamic.DynamicClient
	namespace string
	// kubeconfig is the path of a file.
	kubeconfig string
	// port is what the gateway listens on.
	port uint32
}

// objects are a gateway that leads to an application, and something that cannot be served.
const objects = `
{kind: Mesh, plural: meshes, metadata: {name: NAMESPACE}, spec: {awsName: NAMESPACE, namespaceSelector: {matchLabels: {mesh: NAMESPACE}}}}
---
{kind: VirtualNode, plural: virtualnodes, metadata: {name: app}, spec: {awsName: app_NAMESPACE, podSelector: {matchLabels: {app: app}}, meshRef: {name: NAMESPACE, uid: u}, listeners: [{portMapping: {port: 8080, protocol: http}}], serviceDiscovery: {dns: {hostname: app.example.com}}}}
---
{kind: VirtualService, plural: virtualservices, metadata: {name: app}, spec: {awsName: app.NAMESPACE.svc.cluster.local, meshRef: {name: NAMESPACE, uid: u}, provider: {virtualNode: {virtualNodeRef: {name: app}}}}}
---
{kind: VirtualGateway, plural: virtualgateways, metadata: {name: edge}, spec: {awsName: edge_NAMESPACE, meshRef: {name: NAMESPACE, uid: u}, namespaceSelector: {matchLabels: {mesh: NAMESPACE}}, listeners: [{portMapping: {port: PORT, protocol: http}}]}}
---
{kind: GatewayRoute, plural: gatewayroutes, metadata: {name: app}, spec: {awsName: app_NAMESPACE, meshRef: {name: NAMESPACE, uid: u}, virtualGatewayRef: {name: edge, uid: u}, httpRoute: {match: {prefix: /}, action: {target: {virtualService: {virtualServiceRef: {name: app}}}}}}}
---
{kind: VirtualService, plural: virtualservices, metadata: {name: broken}, spec: {awsName: broken.NAMESPACE.svc.cluster.local, meshRef: {name: NAMESPACE, uid: u}, provider: {virtualNode: {virtualNodeRef: {name: nobody}}}}}`

func install(t *testing.T) *installation {
	t.Helper()
	config := realkube.Start(t)
	i := &installation{
		t: t, config: config, kube: kubernetes.NewForConfigOrDie(config), dyn: dynamic.NewForConfigOrDie(config),
		namespace: realkube.Namespace(t, config, nil), kubeconfig: realkube.Kubeconfig(t, config), port: realenvoy.FreePort(t),
	}
	patch := []byte(`{"metadata": {"labels": {"mesh": "` + i.namespace + `"}}}`)
	if _, err := i.kube.CoreV1().Namespaces().Patch(t.Context(), i.namespace, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("NAMESPACE", i.namespace, "PORT", fmt.Sprint(i.port)).Replace(objects)
	for _, doc := range strings.Split(text, "---") {
		var u unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			t.Fatal(err)
		}
		plural := u.Object["plural"].(string)
		delete(u.Object, "plural")
		u.SetAPIVersion(appmeshv1beta2.GroupVersion.String())
		if _, err := i.resource(plural).Create(t.Context(), &u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app"}}
	if _, err := i.kube.CoreV1().ServiceAccounts(i.namespace).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *installation) resource(plural string) dynamic.ResourceInterface {
	r := i.dyn.Resource(appmeshv1beta2.GroupVersion.WithResource(plural))
	if plural == "meshes" {
		return r
	}
	return r.Namespace(i.namespace)
}

// pod makes a pod; one with a gateway's name is as admission would have made it.
func (i *installation) pod(name, gateway, image string) {
	i.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "envoy", Image: image}}},
	}
	if gateway != "" {
		pod.Labels = map[string]string{sluice.LabelProxy: sluice.ProxyGateway}
		pod.Annotations = map[string]string{sluice.AnnotationVirtualGateway: gateway}
	}
	if _, err := i.kube.CoreV1().Pods(i.namespace).Create(i.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		i.t.Fatal(err)
	}
}

// sluice runs the command in the namespace.
func (i *installation) sluice(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(i.t.Context(), append(args, "--kubeconfig", i.kubeconfig, "-n", i.namespace),
		genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs})
	return code, out.String(), errs.String()
}
