package helm

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

const (
	chart  = "../../../charts/sluice"
	config = "../../../config"
	// namespace is that of config/, in which the chart is installed too.
	namespace = "sluice-system"
	// kubernetes is what helm renders for where it asks no cluster.
	kubernetes = "v1.37.2"
)

// versions are the programs that the chart is for, as tools of this module.
var versions = map[string]string{"helm 3": "helm.sh/helm/v3/cmd/helm", "helm 4": "helm.sh/helm/v4/cmd/helm"}

// run runs a version of helm, and returns what it says on both of its outputs.
func run(t *testing.T, version string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", versions[version]}, args...)...)
	// What a developer has configured is not ours to use.
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err = cmd.Run()
	return out.String(), problem.String(), err
}

// render is `helm template` with values that are written as YAML.
func render(t *testing.T, version, values string) string {
	t.Helper()
	out, problem, err := run(t, version, "template", "sluice", chart, "--namespace", namespace, "--kube-version", kubernetes, "--values", file(t, values))
	if err != nil {
		t.Fatalf("%s template: %v\n%s", version, err, problem)
	}
	return out
}

// file writes a file of values. Its name is not that of the test: helm splits names at commas.
func file(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp("", "values-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	defer f.Close()
	if _, err := f.WriteString(strings.TrimSpace(text) + "\n"); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
