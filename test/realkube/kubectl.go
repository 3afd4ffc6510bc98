package realkube

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubectl runs the real kubectl with the rights of a configuration, and returns what it prints, warnings included. It
// fails the test if kubectl fails.
func Kubectl(t testing.TB, config *rest.Config, stdin string, args ...string) string {
	t.Helper()
	const one = "test"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{one: {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{one: {
			ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
		}},
		Contexts:       map[string]*clientcmdapi.Context{one: {Cluster: one, AuthInfo: one}},
		CurrentContext: one,
	}, file); err != nil {
		t.Fatal(err)
	}
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	command := exec.CommandContext(t.Context(), kubectl, append([]string{"--kubeconfig", file}, args...)...)
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Kustomize renders a directory with the real kubectl. It needs no cluster, but the directory that a cluster needs.
func Kustomize(t testing.TB, dir string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(assets(t), "kubectl"), "kustomize", dir)
	var problem strings.Builder
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		t.Fatalf("kubectl kustomize %s: %v\n%s", dir, err, problem.String())
	}
	return string(out)
}
