package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// startLoadTester runs cmd/loadtester, which wants signatures from whoever is not on this machine, and says where.
func startLoadTester(t *testing.T) (address string) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "loadtester")
	if out, err := exec.Command("go", "build", "-o", binary, "../loadtester").CombinedOutput(); err != nil {
		t.Fatalf("build the load tester: %v\n%s", err, out)
	}
	certificate(t, dir)
	port := fmt.Sprint(realenvoy.FreePort(t))
	cmd := exec.Command(binary, "-port", port, "-auth", "required", "-ca-file", filepath.Join(dir, "tls.crt"), "-log-level", "error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	address = "127.0.0.1:" + port
	realenvoy.Eventually(t, "the load tester answers", func() bool {
		answer, err := http.Get("http://" + address + "/healthz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return address
}

// TestMovingAGate opens and closes the gate of a real load tester.
func TestMovingAGate(t *testing.T) {
	i := install(t)
	i.canary()
	address := startLoadTester(t)
	isOpen := func() bool {
		body := fmt.Sprintf(`{"name": "web", "namespace": %q}`, i.namespace)
		answer, err := http.Post("http://"+address+"/gate/check", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}
	try := func(code int, says string, args ...string) {
		t.Helper()
		got, _, errs := i.sluice(append([]string{"gate"}, args...)...)
		if got != code || !strings.Contains(errs, says) {
			t.Errorf("gate %v: exit code %d, want %d; it says\n%s", args, got, code, errs)
		}
	}
	try(exitFound, "has no webhook that asks anybody", "open", "web")

	hooks := `{"spec": {"analysis": {"webhooks": [{"name": "promotion", "type": "confirm-promotion", "url": "http://lt.` + i.namespace + `/gate/check"}]}}}`
	if _, err := i.dyn.Resource(canaryResource).Namespace(i.namespace).Patch(t.Context(), "web", types.MergePatchType, []byte(hooks), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	try(exitOK, "is open at "+address+", for promotion", "open", "web", "--address", address)
	if !isOpen() {
		t.Error("the gate is not open")
	}
	try(exitOK, "is closed at "+address, "close", "web", "--address", address)
	if isOpen() {
		t.Error("the gate is not closed")
	}
	try(exitFound, "has no webhook whose URL ends with /rollback/check; it asks http://lt."+i.namespace+"/gate/check (promotion)", "open", "web", "--rollback")
	try(exitFailed, `services "lt" not found`, "open", "web")
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "lt"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	if _, err := i.kube.CoreV1().Services(i.namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	try(exitFailed, "no pod of it is ready", "open", "web")
}
