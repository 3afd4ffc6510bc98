package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

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
	i.completed()
	i.unreachable()
	i.watched(m)
}

// completed looks at what the shell suggests.
func (i *installation) completed() {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"config", "virt"}, "virtualnode/\nvirtualgateway/\n:6\n"}, // no space after these, no files
		{[]string{"config", "virtualgateway/"}, "virtualgateway/edge\n:4\n"},
		{[]string{"config", "pod/e"}, "pod/edge-1\n:4\n"},
		{[]string{"proxy-status", "edge-1", ""}, "lonely-1\nsilent-1\n:4\n"},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"__complete", "--kubeconfig", i.kubeconfig, "-n", i.namespace}, tc.args...)
		run(i.t.Context(), args, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs})
		if out.String() != tc.want {
			i.t.Errorf("%q is completed with %q, want %q", tc.args, out.String(), tc.want)
		}
	}
}

// unreachable looks at a replica of mesh that the API server has no way to: the port-forward fails, and says why.
func (i *installation) unreachable() {
	t := i.t
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: i.namespace}}
	if _, err := i.kube.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	node.Status = corev1.NodeStatus{
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(realenvoy.FreePort(t))}},
	}
	if _, err := i.kube.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "sluice-mesh-1", Labels: map[string]string{labelName: sluice.MeshService}},
		Spec:       corev1.PodSpec{NodeName: i.namespace, ServiceAccountName: "app", Containers: []corev1.Container{{Name: "mesh", Image: "mesh"}}},
	}
	pod, err := i.kube.CoreV1().Pods(i.namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.Phase = corev1.PodRunning
	if _, err := i.kube.CoreV1().Pods(i.namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := i.sluice("proxy-status", "--sluice-namespace", i.namespace)
	if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "error: replica sluice-mesh-1 of mesh does not say who is connected to it: forward a port: ") ||
		!strings.Contains(stderr, "connection refused") {
		t.Errorf("exit code %d, %q", code, stdout+stderr)
	}
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
