//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// plugin builds kubectl-sluice and returns a function that calls it as people do, through kubectl.
func plugin(t *testing.T, ctx context.Context) func(args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "./cmd/kubectl-sluice")
	build.Dir = cluster.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build kubectl-sluice: %v\n%s", err, out)
	}
	return func(args ...string) (string, error) {
		cmd := cluster.Command(ctx, append([]string{"sluice"}, args...)...)
		cmd.Env = append(cmd.Env, "PATH="+dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
		out, err := cmd.Output()
		if failed := new(exec.ExitError); err != nil && errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
		}
		return string(out), err
	}
}

// TestKubectlSluice asks the command line about the running demo: every proxy is known to a replica of mesh, found
// through a port-forward, and what a pod has is what it should have.
func TestKubectlSluice(t *testing.T) {
	must(t, demo())
	ctx := testContext(t, 5*time.Minute)
	sluice := plugin(t, ctx)
	must(t, walkthrough.Eventually(ctx, time.Minute, "every proxy is synced", func(context.Context) error {
		_, err := sluice("proxy-status", "-n", "demo", "--check")
		return err
	}))
	text, err := sluice("proxy-status", "-A", "-o", "json")
	must(t, err)
	var proxies []struct{ Namespace, Pod, State, Replica string }
	must(t, json.Unmarshal([]byte(text), &proxies))
	if len(proxies) < 3 {
		t.Errorf("%d proxies, want those of podinfo, the load tester and the gateway:\n%s", len(proxies), text)
	}
	for _, p := range proxies {
		if p.State != "synced" || !strings.HasPrefix(p.Replica, "sluice-mesh-") {
			t.Errorf("%+v", p)
		}
		must(t, walkthrough.Eventually(ctx, 20*time.Second, p.Pod+" has what it should have", func(context.Context) error {
			want, err := sluice("config", "pod/"+p.Pod, "-n", p.Namespace)
			if err != nil {
				return err
			}
			has, err := sluice("config", "pod/"+p.Pod, "-n", p.Namespace, "--from-proxy")
			if err == nil && has != want {
				err = fmt.Errorf("it has\n%s\nand should have\n%s", has, want)
			}
			return err
		}))
	}
}
