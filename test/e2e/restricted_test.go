//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// Where the cluster of test/cluster has what other nodes have in /etc/cni/net.d and /opt/cni/bin.
const (
	nodeConflists = "/var/lib/sluice-cluster/cni"
	nodePlugins   = "/var/lib/sluice-cluster/cni-bin"
)

// TestRestricted plays testdata/restricted.txtar. It changes the node's network and the webhook's settings, and so has the
// cluster to itself.
func TestRestricted(t *testing.T) {
	inFull(t)
	if _, err := os.Stat(nodeConflists); err != nil {
		t.Skipf("the node's conflist is not on this machine: %v", err)
	}
	if _, err := os.Stat(nodePlugins); err != nil {
		t.Fatalf("the cluster is of an earlier version, make cluster-down ends it: %v", err)
	}
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	before := conflists(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		must(t, cluster.Install(ctx)) // without the setting of the script
		must(t, kubectl(ctx, "delete", "namespace", "sluice-cni", "--ignore-not-found", "--timeout=90s"))
		if after := conflists(t); after != before {
			t.Errorf("the node's network is left as\n%s\nand was\n%s", after, before)
		}
		if left, err := os.ReadDir(nodePlugins); err != nil || len(left) > 0 {
			t.Errorf("left among the node's plugins: %v %v", left, err)
		}
	})
	play(t, []string{"testdata/restricted/restricted.txtar"}, map[string]verb{
		"refused":          (*stage).refused,         // refused REGEXP FILE: kubectl apply fails, and says what matches
		"choose-plugin":    (*stage).choosePlugin,    // the webhook has --cni=needed
		"install-plugin":   (*stage).installPlugin,   // config/cni/base, until it is ready on the node
		"uninstall-plugin": (*stage).uninstallPlugin, // as docs/cni.md says
	})
}

// conflists is everything in the folder, and its names.
func conflists(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(nodeConflists, "*"))
	must(t, err)
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(t, err)
		fmt.Fprintf(&all, "%s:\n%s\n", f, text)
	}
	return all.String()
}

func (s *stage) refused(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("write: refused REGEXP FILE")
	}
	want, err := regexp.Compile(args[0])
	if err != nil {
		return "", err
	}
	out, err := s.apply(args[1:])
	if err == nil {
		return out, errors.New("it was accepted")
	}
	if !want.MatchString(err.Error()) {
		return out, fmt.Errorf("want a refusal that says %q: %w", args[0], err)
	}
	return out, nil
}

func (s *stage) choosePlugin([]string) (string, error) {
	const system, webhook = "sluice-system", "deployment/sluice-webhook"
	if err := kubectl(s.ctx, "-n", system, "patch", webhook, "--type=json",
		"-p", `[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--cni=needed"}]`); err != nil {
		return "", err
	}
	return "", kubectl(s.ctx, "-n", system, "rollout", "status", webhook, "--timeout=120s")
}

func (s *stage) installPlugin([]string) (string, error) { return "", s.daemonSet("base") }

func (s *stage) uninstallPlugin([]string) (string, error) {
	if err := s.daemonSet("uninstall"); err != nil {
		return "", err
	}
	return "", kubectl(s.ctx, "delete", "namespace", "sluice-cni", "--timeout=90s")
}

// daemonSet applies a folder of config/cni, with this node's folders in it, and waits until its task is done.
func (s *stage) daemonSet(folder string) error {
	manifest, err := cluster.Run(s.ctx, "kustomize", filepath.Join(cluster.Root, "config", "cni", folder))
	if err != nil {
		return err
	}
	manifest = strings.NewReplacer(" path: /etc/cni/net.d", " path: "+nodeConflists, " path: /opt/cni/bin", " path: "+nodePlugins).Replace(manifest)
	if _, err := cluster.Apply(s.ctx, manifest); err != nil {
		return err
	}
	if err := kubectl(s.ctx, "-n", "sluice-cni", "rollout", "status", "daemonset/sluice-cni", "--timeout=120s"); err != nil {
		return err
	}
	time.Sleep(time.Second) // containerd reads the folder again when it is told of a change, a moment later
	return walkthrough.Eventually(s.ctx, 20*time.Second, "the node's network has or has not our plugin", func(context.Context) error {
		text, err := os.ReadFile(filepath.Join(nodeConflists, "10-sluice.conflist"))
		if err != nil {
			return err
		}
		if has := strings.Contains(string(text), `"sluice-cni"`); has != (folder == "base") {
			return fmt.Errorf("it is %s", text)
		}
		return nil
	})
}
