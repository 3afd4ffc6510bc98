package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

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
		"--xds-address", m.xds, "--peer-address", address(), "--debug-address", m.debug, "--health-address", health, "--metrics-address", address(), "--log-level", "error")
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
