package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-mesh/sluice/test/realenvoy"
)

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
