package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestMain runs the tests, or the command itself when a test starts this binary as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("SLUICE_TEST_MAIN") == "1" {
		main()
		return
	}
	os.Exit(realkube.Main(m))
}

// process is a running canary.
type process struct {
	*exec.Cmd
	health string
}

func start(t *testing.T, kubeconfig, namespace string) *process {
	t.Helper()
	p := &process{health: freeAddress(t)}
	p.Cmd = exec.Command(os.Args[0], "-kubeconfig="+kubeconfig, "-lease-namespace="+namespace, "-namespace="+namespace,
		"-mesh-peers=", "-health-address="+p.health, "-metrics-address="+freeAddress(t))
	p.Env = append(os.Environ(), "SLUICE_TEST_MAIN=1")
	p.Stdout, p.Stderr = os.Stderr, os.Stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			p.Process.Kill()
			p.Wait()
		}
	})
	return p
}

func TestTheLeaseChangesHands(t *testing.T) {
	config := realkube.Start(t)
	namespace := realkube.Namespace(t, config, nil)
	kubeconfig := realkube.Kubeconfig(t, config)
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	holder := func() string {
		lease, err := kube.CoordinationV1().Leases(namespace).Get(context.Background(), "sluice-canary", metav1.GetOptions{})
		if err != nil || lease.Spec.HolderIdentity == nil {
			return ""
		}
		return *lease.Spec.HolderIdentity
	}
	first := start(t, kubeconfig, namespace)
	eventually(t, "the first leads", func() bool { return holder() != "" })
	one := holder()
	second := start(t, kubeconfig, namespace)
	for _, p := range []*process{first, second} {
		eventually(t, "it is ready, leading or not", func() bool { return answers("http://" + p.health + "/readyz") })
	}

	first.Process.Kill() // a crash: nobody releases the Lease
	first.Wait()
	crashed := time.Now()
	eventually(t, "the second leads", func() bool { return holder() != "" && holder() != one })
	t.Logf("take-over after a crash: %v", time.Since(crashed).Round(100*time.Millisecond))

	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("an orderly stop ends with %v", err)
	}
	// Not an error when it is not released: a renewal that was cut short may have got through, and then the release loses.
	t.Logf("after an orderly stop the Lease is held by %q", holder())
}

func answers(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}
