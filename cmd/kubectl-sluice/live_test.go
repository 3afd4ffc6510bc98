package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/xds"
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
{kind: VirtualNode, plural: virtualnodes, metadata: {name: app}, spec: {awsName: app_NAMESPACE, meshRef: {name: NAMESPACE, uid: u}, listeners: [{portMapping: {port: 8080, protocol: http}}], serviceDiscovery: {dns: {hostname: app.example.com}}}}
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
		namespace: realkube.Namespace(t, config, nil), kubeconfig: kubeconfigFile(t, config), port: realenvoy.FreePort(t),
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

// TestConfigFromTheCluster: what a pod should have is what its gateway has, read page by page from a real API server.
func TestConfigFromTheCluster(t *testing.T) {
	envoyPath := realenvoy.Path(t)
	i := install(t)
	i.pod("edge-1", "edge", "sluice-proxy")
	i.pod("plain", "", "sluice-proxy")

	code, whole, stderr := i.sluice("config", "virtualgateway/edge")
	if code != exitFound || !strings.Contains(stderr, "error: VirtualService/"+i.namespace+"/broken: spec.provider") {
		t.Fatalf("exit code %d, and standard error says\n%s", code, stderr)
	}
	if strings.Count(stderr, "\n") != 1 {
		t.Errorf("there is one problem, and standard error says\n%s", stderr)
	}
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(envoyPath, "--mode", "validate", "-c", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(whole, "cds_egress_"+i.namespace+"_app_"+i.namespace+"_http_8080") {
		t.Errorf("the gateway does not lead to the application:\n%s", whole)
	}
	if _, ofPod, _ := i.sluice("config", "pod/edge-1"); ofPod != whole {
		t.Errorf("the pod's configuration is not that of its gateway:\n%s", ofPod)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a pod that is not there":       {[]string{"pod/nobody"}, "namespace " + i.namespace + " has no pod nobody; say where it is with -n"},
		"a pod that was not injected":   {[]string{"pod/plain"}, "was not injected"},
		"a gateway that is not there":   {[]string{"virtualgateway/nobody"}, "there is no VirtualGateway " + i.namespace + "/nobody; there is "},
		"an Envoy of no pod":            {[]string{"virtualgateway/edge", "--from-proxy"}, "--from-proxy asks one Envoy; name its pod as pod/NAME"},
		"an Envoy that does not run":    {[]string{"pod/edge-1", "--from-proxy"}, "ask the Envoy of pod " + i.namespace + "/edge-1: "},
		"a user without rights":         {[]string{"virtualgateway/edge", "--as", "nobody"}, "; ask for the right to do it, or use --as"},
		"a context that does not exist": {[]string{"virtualgateway/edge", "--context", "nowhere"}, `context "nowhere" does not exist`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := i.sluice(append([]string{"config"}, tc.args...)...)
			if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "error: ") || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, %q, want one line with %q", code, stdout+stderr, tc.want)
			}
		})
	}
}

// TestProxyStatus: a real mesh process, real Envoys, and pods of every state.
func TestProxyStatus(t *testing.T) {
	i := install(t)
	i.pod("edge-1", "edge", "sluice-proxy")
	i.pod("lonely-1", "unserved", "sluice-proxy")
	i.pod("silent-1", "edge", "sluice-proxy")
	i.pod("old-1", "", "840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-envoy:v1.29.5.0-prod")
	m := startMesh(t, i)
	m.connect("edge-1")
	m.connect("lonely-1")

	states := func(args ...string) (int, map[string]envoy.ProxyState) {
		t.Helper()
		code, stdout, stderr := i.sluice(append([]string{"proxy-status", "-o", "json", "--address", m.debug}, args...)...)
		var list []envoy.ProxyState
		if err := json.Unmarshal([]byte(stdout), &list); err != nil {
			t.Fatalf("%v in %q; standard error says %q", err, stdout, stderr)
		}
		out := map[string]envoy.ProxyState{}
		for _, p := range list {
			out[p.Pod] = p
		}
		return code, out
	}
	realenvoy.Eventually(t, "the gateway is synced, and the other Envoy waits", func() bool {
		_, now := states()
		return now["edge-1"].State == envoy.Synced && now["lonely-1"].State == envoy.Stale
	})
	code, now := states()
	if code != exitOK || len(now) != 4 {
		t.Errorf("exit code %d, %v, want 4 pods", code, now)
	}
	if got := now["silent-1"]; got.State != envoy.NotConnected || got.Proxy == nil || got.Proxy.Name != "edge" {
		t.Errorf("the pod without a stream: %+v", got)
	}
	if got := now["old-1"]; got.State != envoy.Foreign || got.Proxy != nil || !strings.Contains(got.Message, "aws-appmesh-envoy") {
		t.Errorf("App Mesh's own Envoy: %+v", got)
	}
	if got := now["lonely-1"]; !strings.Contains(got.Message, "/unserved is not served") {
		t.Errorf("the Envoy without a gateway: %+v", got)
	}
	if code, _ := states("--check"); code != exitFound {
		t.Errorf("--check exits with %d although pods are not synced", code)
	}
	if code, now := states("--check", "edge-1"); code != exitOK || len(now) != 1 || now["edge-1"].Replica != m.debug {
		t.Errorf("--check exits with %d, %v, for a pod that is synced", code, now)
	}

	// Envoy cannot listen where somebody else does, and says so.
	taken, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	patch := fmt.Sprintf(`[{"op": "add", "path": "/spec/listeners/-", "value": {"portMapping": {"port": %d, "protocol": "http"}}}]`, taken.Addr().(*net.TCPAddr).Port)
	if _, err := i.resource("virtualgateways").Patch(t.Context(), "edge", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	realenvoy.Eventually(t, "the gateway's Envoy refuses the listener", func() bool {
		_, now := states("edge-1")
		return now["edge-1"].State == envoy.Rejected && strings.Contains(now["edge-1"].Message, "cannot bind")
	})
	i.tables(m)
}

// tables looks at what people see, once the states are there.
func (i *installation) tables(m *meshProcess) {
	t := i.t
	code, stdout, stderr := i.sluice("proxy-status", "--address", m.debug)
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, and standard error says %q", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var pods []string
	for _, line := range lines {
		pods = append(pods, strings.Fields(line)[0])
	}
	if want := []string{"POD", "edge-1", "lonely-1", "old-1", "silent-1"}; !slices.Equal(pods, want) {
		t.Errorf("the table is\n%s", stdout)
	}
	for row, words := range map[int][]string{
		0: {"PROXY", "STATE", "SINCE", "REPLICA", "MESSAGE"},
		1: {"virtualgateway/edge", " rejected ", m.debug, "listeners lds_ingress_0.0.0.0_", "cannot bind"},
		3: {" - ", " foreign "},
	} {
		for _, word := range words {
			if row >= len(lines) || !strings.Contains(lines[row], word) {
				t.Errorf("row %d has no %q:\n%s", row, word, stdout)
			}
		}
	}
	if _, stdout, _ := i.sluice("proxy-status", "--address", m.debug, "-o", "wide", "pod/edge-1"); !strings.Contains(stdout, "LISTENERS") || !strings.Contains(stdout, "->") {
		t.Errorf("the wide table does not show what was sent and what it has:\n%s", stdout)
	}
	if _, stdout, _ := i.sluice("proxy-status", "--address", m.debug, "-o", "name"); stdout != "pod/edge-1\npod/lonely-1\npod/old-1\npod/silent-1\n" {
		t.Errorf("-o name prints %q", stdout)
	}
	if code, _, stderr := i.sluice("proxy-status", "--address", m.debug, "nobody"); code != exitFailed || !strings.Contains(stderr, "has no pod nobody with an Envoy") {
		t.Errorf("exit code %d, %q, for a pod that is not there", code, stderr)
	}
	nobody := fmt.Sprintf("127.0.0.1:%d", realenvoy.FreePort(t))
	if code, stdout, stderr := i.sluice("proxy-status", "--address", m.debug, "--address", nobody); code != exitFailed ||
		!strings.Contains(stdout, "rejected") || !strings.HasPrefix(stderr, "error: replica "+nobody+" of mesh does not say") {
		t.Errorf("exit code %d with one of two replicas, %q, %q", code, stdout, stderr)
	}
	if code, stdout, stderr := i.sluice("proxy-status"); code != exitFailed || stdout != "" || !strings.Contains(stderr, "no pod of mesh runs in namespace sluice-system") {
		t.Errorf("exit code %d without mesh in the cluster: %q", code, stderr)
	}
	i.watched(m)
}

// watched looks at --watch: a table, then the pods whose state changes, and a quiet end.
func (i *installation) watched(m *meshProcess) {
	ctx, cancel := context.WithCancel(i.t.Context())
	defer cancel()
	out := &lines{}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"proxy-status", "--watch", "--address", m.debug, "--kubeconfig", i.kubeconfig, "-n", i.namespace},
			genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: out})
	}()
	realenvoy.Eventually(i.t, "the table is printed", func() bool { return out.count("silent-1") == 1 })
	i.pod("late-1", "edge", "sluice-proxy")
	realenvoy.Eventually(i.t, "the new pod is printed", func() bool { return out.count("late-1") == 1 })
	cancel()
	if code := <-done; code != exitOK || out.count("silent-1") != 1 || out.count("MESSAGE") != 1 {
		i.t.Errorf("exit code %d, and it printed\n%s", code, out)
	}
}

// meshProcess is a running cmd/mesh.
type meshProcess struct {
	i          *installation
	xds, debug string
	ca         []byte
}

func startMesh(t *testing.T, i *installation) *meshProcess {
	t.Helper()
	realenvoy.Path(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "mesh")
	if out, err := exec.Command("go", "build", "-o", binary, "../mesh").CombinedOutput(); err != nil {
		t.Fatalf("build mesh: %v\n%s", err, out)
	}
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", realenvoy.FreePort(t)) }
	m := &meshProcess{i: i, xds: address(), debug: address(), ca: certificate(t, dir)}
	health := address()
	cmd := exec.Command(binary, "--kubeconfig", i.kubeconfig, "--cert-dir", dir, "--namespace", i.namespace, "--identity", "test",
		"--xds-address", m.xds, "--debug-address", m.debug, "--health-address", health, "--metrics-address", address(), "--log-level", "error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	realenvoy.Eventually(t, "mesh is ready", func() bool {
		answer, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return m
}

// connect starts the Envoy of a pod, with what the kubelet would give it.
func (m *meshProcess) connect(pod string) {
	t := m.i.t
	t.Helper()
	token, err := m.i.kube.CoreV1().ServiceAccounts(m.i.namespace).CreateToken(t.Context(), "app", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences:      []string{sluice.TokenAudience},
			BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		sluice.CAFile: string(m.ca), sluice.TokenFile: token.Status.Token,
		sluice.CASecretFile:    strings.ReplaceAll(xds.CASecretYAML(), sluice.ProxyDir, dir),
		sluice.TokenSecretFile: strings.ReplaceAll(xds.TokenSecretYAML(), sluice.ProxyDir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := strings.Cut(m.xds, ":")
	config := xds.BootstrapConfig{Host: "localhost", AdminSocket: filepath.Join(dir, "admin.sock"), ProxyDir: dir, StatsPort: realenvoy.FreePort(t)}
	if _, err := fmt.Sscan(port, &config.Port); err != nil {
		t.Fatal(err)
	}
	bootstrap, err := xds.Bootstrap(config)
	if err != nil {
		t.Fatal(err)
	}
	realenvoy.Start(t, "--config-yaml", string(bootstrap), "--service-node", pod+"."+m.i.namespace, "--service-cluster", "test",
		"--log-level", "warning", "--use-dynamic-base-id", "--concurrency", "1")
}

// certificate writes a self-signed certificate of localhost that is its own authority, and returns it.
func certificate(t *testing.T, dir string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mesh"}, DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{
		"tls.crt": text, "ca.crt": text, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

func kubeconfigFile(t *testing.T, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(api.Config{
		CurrentContext: "test",
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		Clusters:       map[string]*api.Cluster{"test": {Server: "https://" + strings.TrimPrefix(config.Host, "https://"), CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*api.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
