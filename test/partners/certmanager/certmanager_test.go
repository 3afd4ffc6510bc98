package certmanager

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

const (
	root      = "../../.."
	namespace = sluice.SystemNamespace
)

// TestCertManager: what config/components/cert-manager asks for is issued, the webhook configurations trust it, the webhook
// process serves it, and a new one without being started again.
func TestCertManager(t *testing.T) {
	config := realkube.Start(t)
	kube := kubernetes.NewForConfigOrDie(config)
	kubeconfig := realkube.Kubeconfig(t, config)
	realkube.Kubectl(t, config, "", "apply", "--server-side", "-f", definitions(t))
	realkube.Kubectl(t, config, "", "wait", "--for=condition=Established", "crd", "certificates.cert-manager.io", "issuers.cert-manager.io", "--timeout=60s")
	realkube.Kubectl(t, config, realkube.Kustomize(t, overlay(t)), "apply", "--server-side", "-f", "-")
	startControllers(t, kubeconfig, config)

	for service, name := range map[string]string{
		sluice.WebhookService: sluice.WebhookTLSSecret, sluice.MeshService: sluice.MeshTLSSecret, sluice.CanaryService: sluice.CanaryTLSSecret,
	} {
		secret := &corev1.Secret{}
		until(t, name+" is issued", func() (err error) {
			secret, err = kube.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
			return err
		})
		goodFor(t, secret, certs.ServiceHosts(service, namespace, "cluster.local"), service != sluice.WebhookService)
	}

	until(t, "the configurations trust the certificate of the webhook", func() error {
		secret, err := kube.CoreV1().Secrets(namespace).Get(t.Context(), sluice.WebhookTLSSecret, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i, bundle := range bundles(t, kube) {
			if !bytes.Equal(bundle, secret.Data["ca.crt"]) {
				return fmt.Errorf("webhook %d has the caBundle %q, not the ca.crt of the Secret", i, bundle)
			}
		}
		return nil
	})

	address := startWebhook(t, kubeconfig)
	first := serial(t, address, kube)
	if err := kube.CoreV1().Secrets(namespace).Delete(t.Context(), sluice.WebhookTLSSecret, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the process serves a certificate that was issued anew", func() error {
		if now := serial(t, address, kube); now == first {
			return fmt.Errorf("still %s", now)
		}
		return nil
	})
}

// goodFor checks the certificate in a Secret as those do who use it.
func goodFor(t *testing.T, secret *corev1.Secret, hosts []string, client bool) {
	t.Helper()
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		t.Fatalf("%s: %v", secret.Name, err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(secret.Data["ca.crt"])
	uses := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if client {
		uses = append(uses, x509.ExtKeyUsageClientAuth)
	}
	for _, use := range uses {
		for _, host := range hosts {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
				t.Errorf("%s: %v", secret.Name, err)
			}
		}
	}
}

// bundles are the caBundles of all webhooks in our two configurations.
func bundles(t *testing.T, kube kubernetes.Interface) (all [][]byte) {
	t.Helper()
	registrations := kube.AdmissionregistrationV1()
	mutating, err := registrations.MutatingWebhookConfigurations().Get(t.Context(), sluice.WebhookService, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	validating, err := registrations.ValidatingWebhookConfigurations().Get(t.Context(), sluice.WebhookService, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range mutating.Webhooks {
		all = append(all, w.ClientConfig.CABundle)
	}
	for _, w := range validating.Webhooks {
		all = append(all, w.ClientConfig.CABundle)
	}
	return all
}

// serial asks the process for its certificate, as the API server does: by the name of the Service, trusting the caBundle.
func serial(t *testing.T, address string, kube kubernetes.Interface) string {
	t.Helper()
	pool := x509.NewCertPool()
	for _, bundle := range bundles(t, kube) {
		pool.AppendCertsFromPEM(bundle)
	}
	number := ""
	until(t, "the webhook process is trusted", func() error {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: sluice.WebhookService + "." + namespace + ".svc"})
		if err != nil {
			return err
		}
		defer conn.Close()
		number = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
		return nil
	})
	return number
}

// startWebhook runs the process with the flags of the Deployment that was applied.
func startWebhook(t *testing.T, kubeconfig string) (address string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "webhook")
	build := exec.Command("go", "build", "-o", binary, "./cmd/webhook")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build webhook: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	cmd := exec.Command(binary, "--certificates=external", fmt.Sprintf("--port=%d", port), "--metrics-address=0", "--health-address=0", "--shutdown-delay=0s")
	cmd.Env = append(slices.Clone(os.Environ()), "KUBECONFIG="+kubeconfig, "POD_NAMESPACE="+namespace)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("webhook said:\n%s", out.String())
		}
	})
	return address
}

// overlay is config/default with the component.
func overlay(t *testing.T) string {
	t.Helper()
	config, err := filepath.Abs(filepath.Join(root, "config"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	up, err := filepath.Rel(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("resources: [%s/default]\ncomponents: [%[1]s/components/cert-manager]\n", up)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// definitions are cert-manager's, as its module has them.
func definitions(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "deploy", "crds")
}

// until waits, for as long as a busy machine may need, and tells what was wrong last.
func until(t *testing.T, what string, ok func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatalf("waited two minutes in vain: %s: %v", what, err)
}
