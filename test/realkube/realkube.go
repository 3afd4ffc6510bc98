// Package realkube gives tests a real kube-apiserver with etcd behind it: a test asks for it and gets a client
// configuration; our CRDs are installed.
//
//	func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		config := realkube.Start(t)
//		namespace := realkube.Namespace(t, config, map[string]string{"mesh": "demo"})
//
// Kubectl runs the real kubectl against it. There is no controller manager: namespaces are never finished deleting, owners' objects stay, and Services get no
// EndpointSlices unless the test writes them.
package realkube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// server is the API server of this test binary, started by the first test that asks.
var server struct {
	sync.Mutex
	main   bool
	env    *envtest.Environment
	config *rest.Config
	err    error
}

// Main runs the tests and stops the API server afterwards, if one of them started it. It returns the exit code.
func Main(m *testing.M) int {
	server.main = true
	code := m.Run()
	if server.env != nil {
		if err := server.env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop kube-apiserver:", err)
		}
	}
	return code
}

// assets is the directory that KUBEBUILDER_ASSETS names. Without it the test is skipped, or fails with SLUICE_REQUIRE=1.
func assets(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		const missing = "KUBEBUILDER_ASSETS names no directory with kube-apiserver, etcd and kubectl"
		if os.Getenv("SLUICE_REQUIRE") == "1" {
			t.Fatal(missing + ", and SLUICE_REQUIRE=1")
		}
		t.Skip(missing + ": set it to run this test")
	}
	return dir
}

// Start returns the configuration of a cluster administrator. The test is skipped if KUBEBUILDER_ASSETS does not name a
// directory with kube-apiserver and etcd; with SLUICE_REQUIRE=1 it fails instead.
func Start(t testing.TB) *rest.Config {
	t.Helper()
	assets(t)
	server.Lock()
	defer server.Unlock()
	if !server.main {
		t.Fatal("call realkube.Main from TestMain, or the API server outlives the tests")
	}
	if server.env == nil && server.err == nil {
		server.env = &envtest.Environment{
			CRDDirectoryPaths: crds(t),
			// The machine may be busy building something else.
			ControlPlaneStartTimeout: 2 * time.Minute,
		}
		// A bench has thousands of Services; the default has room for 254.
		server.env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
		server.config, server.err = server.env.Start()
	}
	if server.err != nil {
		t.Fatalf("start kube-apiserver: %v", server.err)
	}
	config := rest.CopyConfig(server.config)
	// Tests are not throttled; the server does that.
	config.QPS = -1
	return config
}

// crds lists our generated CRDs, wherever the test runs.
func crds(t testing.TB) []string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("realkube does not know where it is")
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(here), "..", "..", "config", "crd", "*_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs in config/crd: %v", err)
	}
	return files
}

// Namespace makes a namespace that no other test has, and returns its name.
func Namespace(t testing.TB, config *rest.Config, labels map[string]string) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	// A readable prefix, because the name is all that a failure message shows.
	prefix := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(t.Name())), "-")
	namespace, err := client.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: prefix[:min(len(prefix), 40)] + "-", Labels: labels,
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// Kubeconfig writes a file for the processes that read one, and returns its path.
func Kubeconfig(t testing.TB, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	out := api.Config{
		CurrentContext: "test",
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		Clusters:       map[string]*api.Cluster{"test": {Server: "https://" + strings.TrimPrefix(config.Host, "https://"), CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*api.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken}},
	}
	if err := clientcmd.WriteToFile(out, path); err != nil {
		t.Fatal(err)
	}
	return path
}
