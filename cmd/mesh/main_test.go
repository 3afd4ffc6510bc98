package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadstatsv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

// objects are a caller, a service that is split over two nodes, and the mesh they are in.
const objects = `
{kind: Mesh, plural: meshes, metadata: {name: NAMESPACE}, spec: {awsName: NAMESPACE, namespaceSelector: {matchLabels: {mesh: NAMESPACE}}}}
---
{kind: VirtualNode, plural: virtualnodes, metadata: {name: a}, spec: {awsName: a_NAMESPACE, meshRef: {name: NAMESPACE, uid: u}, listeners: [{portMapping: {port: 8080, protocol: http}}], serviceDiscovery: {dns: {hostname: a.example.com}}}}
---
{kind: VirtualNode, plural: virtualnodes, metadata: {name: b}, spec: {awsName: b_NAMESPACE, meshRef: {name: NAMESPACE, uid: u}, listeners: [{portMapping: {port: 8080, protocol: http}}], serviceDiscovery: {dns: {hostname: b.example.com}}}}
---
{kind: VirtualRouter, plural: virtualrouters, metadata: {name: web}, spec: {awsName: web_NAMESPACE, meshRef: {name: NAMESPACE, uid: u}, listeners: [{portMapping: {port: 8080, protocol: http}}], routes: [{name: all, httpRoute: {match: {prefix: /}, action: {weightedTargets: [{virtualNodeRef: {name: a}, weight: 100}, {virtualNodeRef: {name: b}, weight: 0}]}}}]}}
---
{kind: VirtualService, plural: virtualservices, metadata: {name: web}, spec: {awsName: web.NAMESPACE.svc.cluster.local, meshRef: {name: NAMESPACE, uid: u}, provider: {virtualRouter: {virtualRouterRef: {name: web}}}}}
---
{kind: VirtualNode, plural: virtualnodes, metadata: {name: caller}, spec: {awsName: caller_NAMESPACE, meshRef: {name: NAMESPACE, uid: u}, backends: [{virtualService: {virtualServiceRef: {name: web}}}]}}`

// TestTheProcess runs the whole process against a real API server: a pod's token and its binding lead to the routes of
// its virtual node, and a changed weight arrives.
func TestTheProcess(t *testing.T) {
	config := realkube.Start(t)
	kube, dyn := kubernetes.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(config)
	namespace := realkube.Namespace(t, config, nil)
	create(t, kube, dyn, namespace)
	o := options{
		clusterDomain: "cluster.local", namespace: namespace, lease: "sluice-mesh", identity: "test", logLevel: "error",
		certDir: certificates(t, namespace), kubeconfig: realkube.Kubeconfig(t, config),
		xds: address(t), metrics: address(t), health: address(t), debug: address(t), peer: address(t),
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, o) }()
	until(t, "ready", func() bool { code, _ := get(o.health, "/readyz"); return code == http.StatusOK })

	stream := connect(t, o, token(t, kube, namespace))
	if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{
		Node: &corev3.Node{Id: "caller-1." + namespace}, TypeUrl: resourcev3.RouteType, ResourceNamesSubscribe: []string{"rds_egress_http_8080"},
	}); err != nil {
		t.Fatal(err)
	}
	if got := weights(t, stream); got["a"] != 100 || got["b"] != 0 {
		t.Fatalf("weights %v, want a 100, b 0", got)
	}
	start := time.Now()
	if _, err := dyn.Resource(resource("virtualrouters")).Namespace(namespace).Patch(context.Background(), "web", types.JSONPatchType,
		[]byte(`[{"op": "replace", "path": "/spec/routes/0/httpRoute/action/weightedTargets/1/weight", "value": 50}]`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := weights(t, stream); got["a"] != 100 || got["b"] != 50 {
		t.Errorf("weights %v, want a 100, b 50", got)
	}
	t.Logf("from the API write to the proxy: %v", time.Since(start))

	router, err := dyn.Resource(resource("virtualrouters")).Namespace(namespace).Get(context.Background(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := mesh.Generation{UID: string(router.GetUID()), Number: router.GetGeneration()}
	if got := askAsCanary(t, o, want); !got.Reached(want) || len(got.Proxies) != 1 || got.Proxies[0].Pod.Name != "caller-1" || got.Proxies[0].Acked != want {
		t.Errorf("canary learns %+v, want generation %+v of the pod", got, want)
	}

	callersAreHeard(t, o, token(t, kube, namespace))

	var status []envoy.ProxyStatus
	if _, body := get(o.debug, "/debug/proxies"); json.Unmarshal([]byte(body), &status) != nil || len(status) != 1 ||
		status[0].Pod.Name != "caller-1" || status[0].Types["routes"].Acked == "" {
		t.Errorf("/debug/proxies: %s", body)
	}
	if code, _ := get(o.debug, "/debug/pprof/heap"); code != http.StatusOK {
		t.Errorf("/debug/pprof/heap: status %d", code)
	}
	if _, body := get(o.metrics, "/metrics"); !strings.Contains(body, "sluice_mesh_connected_proxies{state=\"current\"}") {
		t.Error("/metrics does not count the proxy")
	}
	refusalIsTold(t, dyn.Resource(resource("virtualrouters")).Namespace(namespace), stream)
	cancel()
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream of a stopping process ended with %v, want an ordinary end", err)
	}
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

// callersAreHeard reports, as an Envoy would, what canary asks about: requests to node b.
func callersAreHeard(t *testing.T, o options, token string) {
	t.Helper()
	door := asCanary(t, o)
	ask := func() envoy.Load {
		got, silent, err := door.Loads(t.Context(), []mesh.ObjectRef{{Kind: mesh.KindVirtualNode, Namespace: o.namespace, Name: "b"}})
		if err != nil || len(silent) > 0 || len(got) != 1 {
			t.Fatal(got, silent, err)
		}
		return got[0]
	}
	ask()
	conn, ctx := dial(t, o, token)
	stream, err := loadstatsv3.NewLoadReportingServiceClient(conn).StreamLoadStats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&loadstatsv3.LoadStatsRequest{Node: &corev3.Node{Id: "caller-1." + o.namespace}}); err != nil {
		t.Fatal(err)
	}
	told, err := stream.Recv()
	if err != nil || len(told.GetClusters()) != 1 || !strings.Contains(told.GetClusters()[0], "_b_") {
		t.Fatalf("told %v, %v: want the cluster of node b", told, err)
	}
	if err := stream.Send(&loadstatsv3.LoadStatsRequest{ClusterStats: []*endpointv3.ClusterStats{{
		ClusterName: told.GetClusters()[0], UpstreamLocalityStats: []*endpointv3.UpstreamLocalityStats{{TotalErrorRequests: 3}},
	}}}); err != nil {
		t.Fatal(err)
	}
	until(t, "canary learns what the caller counted", func() bool { got := ask(); return got.Failed == 3 && got.Callers == 1 })
}

// refusalIsTold refuses the router's next routes, finds that in its condition, and takes those after them.
func refusalIsTold(t *testing.T, routers dynamic.ResourceInterface, stream ads) {
	t.Helper()
	weigh := func(weight int) {
		patch := fmt.Sprintf(`[{"op": "replace", "path": "/spec/routes/0/httpRoute/action/weightedTargets/1/weight", "value": %d}]`, weight)
		if _, err := routers.Patch(context.Background(), "web", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	active := func() (status, reason, message string) {
		router, err := routers.Get(context.Background(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		list, _, _ := unstructured.NestedSlice(router.Object, "status", "conditions")
		for _, c := range list {
			if c := c.(map[string]any); c["type"] == "VirtualRouterActive" {
				return fmt.Sprint(c["status"]), fmt.Sprint(c["reason"]), fmt.Sprint(c["message"])
			}
		}
		return "", "", ""
	}
	weigh(60)
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: resp.GetTypeUrl(), ResponseNonce: resp.GetNonce(), ErrorDetail: &rpcstatus.Status{Message: "no such filter"},
	}); err != nil {
		t.Fatal(err)
	}
	until(t, "the refusal is in the condition", func() bool {
		status, reason, message := active()
		return status == "False" && reason == mesh.ReasonProxyRejected && strings.Contains(message, "1 pod") && strings.Contains(message, "no such filter")
	})
	weigh(70)
	if got := weights(t, stream); got["b"] != 70 {
		t.Errorf("weights %v, want b 70", got)
	}
	until(t, "the condition is over", func() bool { status, _, _ := active(); return status == "True" })
}

// create makes the objects and an injected pod, caller-1.
func create(t *testing.T, kube kubernetes.Interface, dyn dynamic.Interface, namespace string) {
	t.Helper()
	ns := []byte(`{"metadata": {"labels": {"mesh": "` + namespace + `"}}}`)
	if _, err := kube.CoreV1().Namespaces().Patch(context.Background(), namespace, types.MergePatchType, ns, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(strings.ReplaceAll(objects, "NAMESPACE", namespace), "---") {
		var u unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		plural := u.Object["plural"].(string)
		delete(u.Object, "plural")
		u.SetAPIVersion(appmeshv1beta2.GroupVersion.String())
		var client dynamic.ResourceInterface = dyn.Resource(resource(plural))
		if plural != "meshes" {
			client = dyn.Resource(resource(plural)).Namespace(namespace)
		}
		if _, err := client.Create(context.Background(), &u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kube.CoreV1().ServiceAccounts(namespace).Create(context.Background(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := kube.CoreV1().Pods(namespace).Create(context.Background(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "caller-1", Labels: map[string]string{sluice.LabelProxy: sluice.ProxyNode},
			Annotations: map[string]string{sluice.AnnotationVirtualNode: "caller"},
		},
		Spec: corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

var resource = appmeshv1beta2.GroupVersion.WithResource

// token is what the kubelet would project into pod caller-1.
func token(t *testing.T, kube kubernetes.Interface, namespace string) string {
	t.Helper()
	out, err := kube.CoreV1().ServiceAccounts(namespace).CreateToken(context.Background(), "app", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences:      []string{sluice.TokenAudience},
			BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: "caller-1"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out.Status.Token
}

type ads = discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient

func connect(t *testing.T, o options, token string) ads {
	t.Helper()
	conn, ctx := dial(t, o, token)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// dial connects as the proxy of a token would.
func dial(t *testing.T, o options, token string) (*grpc.ClientConn, context.Context) {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(o.certDir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	conn, err := grpc.NewClient(o.xds, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return conn, metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// weights reads the next routes, acknowledges them and returns the weight of each virtual node.
func weights(t *testing.T, stream ads) map[string]uint32 {
	t.Helper()
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resp.GetTypeUrl(), ResponseNonce: resp.GetNonce()}); err != nil {
		t.Fatal(err)
	}
	out := map[string]uint32{}
	for _, r := range resp.GetResources() {
		var table routev3.RouteConfiguration
		if err := r.GetResource().UnmarshalTo(&table); err != nil {
			t.Fatal(err)
		}
		for _, host := range table.GetVirtualHosts() {
			for _, route := range host.GetRoutes() {
				for _, c := range route.GetRoute().GetWeightedClusters().GetClusters() {
					parts := strings.Split(c.GetName(), "_")
					out[parts[3]] = c.GetWeight().GetValue()
				}
			}
		}
	}
	return out
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}

func get(address, path string) (int, string) {
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// address is a loopback address that was free a moment ago.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificates makes the leaves of mesh and, below it, of canary, as the webhook process issues them.
func certificates(t *testing.T, namespace string) string {
	t.Helper()
	dir := t.TempDir()
	authority, err := certs.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for at, service := range map[string]string{dir: sluice.MeshService, filepath.Join(dir, "canary"): sluice.CanaryService} {
		leaf, err := certs.Issue(authority, certs.Leaf{
			Name: service, Hosts: append(certs.ServiceHosts(service, namespace, "cluster.local"), "127.0.0.1"), Client: true,
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"tls.crt": leaf.Cert, "tls.key": leaf.Key, "ca.crt": leaf.Bundle} {
			if err := os.WriteFile(filepath.Join(at, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// asCanary is the client of the inner door that the canary process has.
func asCanary(t *testing.T, o options) *peer.Client {
	t.Helper()
	identity, err := peer.LoadIdentity(filepath.Join(o.certDir, "canary"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return peer.NewClient(peer.ClientConfig{
		Replicas: func(context.Context) ([]netip.AddrPort, error) {
			return []netip.AddrPort{netip.MustParseAddrPort(o.peer)}, nil
		},
		Identity: identity, Mesh: o.serverName(sluice.MeshService),
	})
}

// askAsCanary asks the inner door for the router web.
func askAsCanary(t *testing.T, o options, want mesh.Generation) peer.RouterAnswer {
	t.Helper()
	got, err := asCanary(t, o).Router(t.Context(), mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: o.namespace, Name: "web"}, want, 10*time.Second)
	if err != nil || len(got.Silent) > 0 {
		t.Fatal(err, got.Silent)
	}
	return got
}

func TestHelpTeaches(t *testing.T) {
	var out strings.Builder
	cmd := command()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"/debug/proxies", sluice.TokenAudience, sluice.ProxyConfigMap, fmt.Sprint(sluice.MetricsPort)} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("--help does not mention %s", word)
		}
	}
}
