package mesh

import (
	"context"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// injected makes a pod as admission leaves it, bound to virtual node "web".
func injected(t *testing.T, client kubernetes.Interface, namespace, name string) *corev1.Pod {
	t.Helper()
	pod, err := client.CoreV1().Pods(namespace).Create(context.Background(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{sluice.LabelProxy: sluice.ProxyNode},
			Annotations: map[string]string{sluice.AnnotationVirtualNode: "web"},
		},
		Spec: corev1.PodSpec{ServiceAccountName: "default", Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// tokenFor asks for a token as the kubelet does for a projected volume.
func tokenFor(t *testing.T, client kubernetes.Interface, pod *corev1.Pod, audience string) string {
	t.Helper()
	account, err := client.CoreV1().ServiceAccounts(pod.Namespace).Get(context.Background(), "default", metav1.GetOptions{})
	if err != nil {
		account = &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		if account, err = client.CoreV1().ServiceAccounts(pod.Namespace).Create(context.Background(), account, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	seconds := int64(3600)
	out, err := client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(context.Background(), account.Name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences: []string{audience}, ExpirationSeconds: &seconds,
			BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out.Status.Token
}

func TestTokensOfARealCluster(t *testing.T) {
	config := realkube.Start(t)
	client := kubernetes.NewForConfigOrDie(config)
	pod := injected(t, client, realkube.Namespace(t, config, nil), "web-1.a")
	good, foreign := tokenFor(t, client, pod, sluice.TokenAudience), tokenFor(t, client, pod, "somebody-else")
	want := Pod{Namespace: pod.Namespace, Name: "web-1.a", UID: string(pod.UID), ServiceAccount: "default"}

	// Where the keys cannot be had, the API server is asked about each token.
	restricted := kubernetes.NewForConfigOrDie(asMesh(t, config))
	blind := &TokenVerifier{client: restricted, now: time.Now, tried: time.Now().Add(time.Hour), lastErr: context.DeadlineExceeded}
	for name, v := range map[string]*TokenVerifier{"by the cluster's keys": NewTokenVerifier(restricted), "by token review": blind} {
		t.Run(name, func(t *testing.T) {
			if got, err := v.Verify(context.Background(), good); err != nil || got != want {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
			if got, err := v.Verify(context.Background(), foreign); err == nil {
				t.Errorf("a token for somebody else was accepted: %v", got)
			}
			if got, err := v.Verify(context.Background(), good[:len(good)-6]+"AAAAAA"); err == nil {
				t.Errorf("a forged token was accepted: %v", got)
			}
		})
	}
}

func TestProxyOfAPodThatTheCacheDoesNotHaveYet(t *testing.T) {
	config := realkube.Start(t)
	client := kubernetes.NewForConfigOrDie(config)
	namespace := realkube.Namespace(t, config, nil)
	pod := injected(t, client, namespace, "web-1")
	c, err := New(Config{REST: asMesh(t, config)})
	if err != nil {
		t.Fatal(err)
	}
	id := Pod{Namespace: namespace, Name: "web-1", UID: string(pod.UID)}
	if got, err := c.ProxyOf(context.Background(), id); err != nil || got != (mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: namespace, Name: "web"}) {
		t.Errorf("got %v, %v", got, err)
	}
	id.UID = "another"
	if _, err := c.ProxyOf(context.Background(), id); err == nil || !strings.Contains(err.Error(), "was replaced") {
		t.Errorf("a pod of the same name: %v", err)
	}
	id.Name = "web-2"
	if _, err := c.ProxyOf(context.Background(), id); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("no pod: %v", err)
	}
}

func TestBoundTo(t *testing.T) {
	node, gateway := map[string]string{sluice.AnnotationVirtualNode: "web"}, map[string]string{sluice.AnnotationVirtualGateway: "ingress"}
	cases := map[string]struct {
		label       string
		annotations map[string]string
		want        string
	}{
		"a sidecar":           {sluice.ProxyNode, node, "VirtualNode/demo/web"},
		"a gateway":           {sluice.ProxyGateway, gateway, "VirtualGateway/demo/ingress"},
		"not injected":        {"", node, "pod demo/web-1 was not injected: it has no label sluice.dev/proxy"},
		"bound to nothing":    {sluice.ProxyNode, nil, "pod demo/web-1 must have one of the annotations sluice.dev/virtual-node and sluice.dev/virtual-gateway"},
		"bound to two things": {sluice.ProxyNode, map[string]string{sluice.AnnotationVirtualNode: "a", sluice.AnnotationVirtualGateway: "b"}, "pod demo/web-1 must have one of the annotations sluice.dev/virtual-node and sluice.dev/virtual-gateway"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pod := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "web-1", Annotations: c.annotations}}
			if c.label != "" {
				pod.Labels = map[string]string{sluice.LabelProxy: c.label}
			}
			id, err := BoundTo(pod)
			got := id.String()
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
