//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// TestHelm installs the demo's profile by the README's command in place of what kubectl installed, releases with it, upgrades
// it under load, and gives the place back. Definitions and their objects stay all the time, as Helm never touches them.
func TestHelm(t *testing.T) {
	inFull(t)
	ctx := testContext(t, 15*time.Minute)
	must(t, cluster.Reset(ctx)) // the chart brings the namespace of the demo, too
	leave := func(ctx context.Context) error {
		for _, dir := range []string{"webhook", "mesh", "canary"} {
			if err := kubectl(ctx, "delete", "--ignore-not-found", "-k", filepath.Join(cluster.Root, "config", dir)); err != nil {
				return err
			}
		}
		return kubectl(ctx, "delete", "namespace", "sluice-system", "--ignore-not-found", "--timeout=120s")
	}
	must(t, leave(ctx))
	t.Cleanup(func() {
		ctx := context.Background()
		_, _ = helm(ctx, "uninstall", "sluice", "--wait")
		must(t, leave(ctx))
		must(t, cluster.Install(ctx))
	})

	// The README's command, but for Prometheus, whose image this cluster does not have.
	install := []string{
		"sluice", filepath.Join(cluster.Root, "charts", "sluice"), "--wait", "--timeout=5m",
		"--values", filepath.Join(cluster.Root, "charts", "sluice", "demo.yaml"), "--set", "prometheus.install=false",
	}
	_, err := helm(ctx, append([]string{"install", "--create-namespace"}, install...)...)
	must(t, err)
	must(t, kubectl(ctx, "-n", "sluice-system", "get", "configmap", "sluice-boards"))
	must(t, kubectl(ctx, "-n", walkthrough.Namespace, "rollout", "status", "deployment/appmesh-gateway", "--timeout=120s"))
	must(t, kubectl(ctx, "-n", walkthrough.Namespace, "rollout", "status", "deployment/flagger-loadtester", "--timeout=120s"))

	// The application and its release, as a team has them.
	for _, file := range []string{"podinfo.yaml", "hpa.yaml", "canary.yaml"} {
		must(t, kubectl(ctx, "apply", "-f", filepath.Join(cluster.Root, "config", "demo", file)))
	}
	must(t, cluster.Initialized(ctx))
	url, err := cluster.GatewayURL(ctx, walkthrough.First)
	must(t, err)

	load, _ := walkthrough.StartLoad(ctx, url, 20)
	began := time.Now()
	_, err = helm(ctx, append([]string{"upgrade", "--set", "logLevel=debug,replicaCount=3,leaderElection.replicaCount=2"}, install...)...)
	must(t, err)
	time.Sleep(5 * time.Second)
	noFailures(t, load.Between(began, time.Now()))
	for process, want := range map[string]string{"webhook": "3", "mesh": "3", "canary": "2"} {
		got, err := cluster.Run(ctx, "-n", "sluice-system", "get", "deployment", "sluice-"+process, "-o", "jsonpath={.status.readyReplicas}")
		must(t, err)
		if got != want {
			t.Errorf("%s ready replicas of %s, want %s", got, process, want)
		}
	}

	before, err := cluster.Run(ctx, "get", "meshes,virtualnodes,virtualservices,virtualrouters,canaries", "-A", "-o", "name")
	must(t, err)
	_, err = helm(ctx, "uninstall", "sluice", "--wait")
	must(t, err)
	after, err := cluster.Run(ctx, "get", "virtualrouters,canaries", "-A", "-o", "name")
	must(t, err)
	for line := range strings.Lines(after) {
		if !strings.Contains(before, line) {
			t.Errorf("%s is new", line)
		}
	}
	for _, kind := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "clusterroles", "clusterrolebindings"} {
		left, err := cluster.Run(ctx, "get", kind, "-l", "app.kubernetes.io/part-of=sluice", "-o", "name")
		must(t, err)
		if left != "" {
			t.Errorf("helm uninstall left %s", left)
		}
	}
}

// helm runs the version that the chart's tests are run with too.
func helm(ctx context.Context, args ...string) (string, error) {
	args = append([]string{
		"-C", filepath.Join(cluster.Root, "test", "partners", "helm"), "tool", "helm.sh/helm/v4/cmd/helm",
		"--kubeconfig", cluster.Kubeconfig, "--namespace", "sluice-system",
	}, args...)
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("helm: %w\n%s", err, out)
	}
	return string(out), nil
}
