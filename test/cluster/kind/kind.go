package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-mesh/sluice/test/cluster/build"
	"github.com/sluice-mesh/sluice/test/cluster/hosts"
	"github.com/sluice-mesh/sluice/test/cluster/image"
	"github.com/sluice-mesh/sluice/test/cluster/process"
)

// cluster is what kind calls it, and container the node that follows from it.
const (
	cluster   = "sluice"
	container = cluster + "-control-plane"
)

// Cluster is the one cluster of this kind. Dir keeps its kubeconfig and the
// record of our process that serves LoadBalancer Services.
type Cluster struct {
	Dir   string
	Cache *build.Cache
	Log   io.Writer
	Self  string
}

// New places the cluster's files in the user's cache directory, beside what is
// built: no root is needed here.
func New(cache *build.Cache, log io.Writer, self string) Cluster {
	return Cluster{Dir: filepath.Join(filepath.Dir(cache.Root), "kind"), Cache: cache, Log: log, Self: self}
}

// DockerWorks says whether a Docker daemon answers.
func DockerWorks(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "info").Run() == nil
}

// Exists says whether the cluster was started and not taken down.
func (c Cluster) Exists() bool {
	_, err := os.Stat(c.Kubeconfig())
	return err == nil
}

// Kubeconfig is the administrator's.
func (c Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "kubeconfig") }

// config speeds up the autoscaler as the demo needs it.
const config = `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    controllerManager:
      extraArgs:
        - {name: horizontal-pod-autoscaler-sync-period, value: 5s}
`

// createArgs and deleteArgs are kind's arguments.
func (c Cluster) createArgs() []string {
	return []string{"create", "cluster", "--name", cluster, "--kubeconfig", c.Kubeconfig(), "--config", "-", "--wait", "120s"}
}

func (c Cluster) deleteArgs() []string {
	return []string{"delete", "cluster", "--name", cluster, "--kubeconfig", c.Kubeconfig()}
}

// Up creates the cluster, unless it is there and answers.
func (c Cluster) Up(ctx context.Context) error {
	if c.Healthy(ctx) == nil {
		fmt.Fprintln(c.Log, "the cluster is running already")
		return nil
	}
	if err := c.Down(ctx); err != nil {
		return fmt.Errorf("clear away an earlier cluster: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("make the cluster's folder: %w", err)
	}
	fmt.Fprintln(c.Log, "creating the cluster with kind")
	if err := c.kind(ctx, config, c.createArgs()...); err != nil {
		return err
	}
	if err := c.installMetrics(ctx); err != nil {
		return err
	}
	if err := c.serveBalancers(ctx); err != nil {
		return err
	}
	fmt.Fprintln(c.Log, "the cluster is ready")
	return nil
}

// Down deletes the cluster and what belongs to it.
func (c Cluster) Down(ctx context.Context) error {
	if _, err := os.Stat(c.Dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	ours, err := process.Records(c.Dir)
	if err != nil {
		return err
	}
	for _, p := range ours {
		p.Stop(5 * time.Second)
	}
	if err := c.kind(ctx, "", c.deleteArgs()...); err != nil {
		return err
	}
	if err := hosts.Set(hosts.File, nil); err != nil {
		return err
	}
	return os.RemoveAll(c.Dir)
}

// Healthy is nil when the cluster's API answers.
func (c Cluster) Healthy(ctx context.Context) error {
	if !c.Exists() {
		return errors.New("no cluster is running; start one with `cluster up`")
	}
	if err := c.kubectl(ctx, "", "get", "--raw=/readyz"); err != nil {
		return fmt.Errorf("the cluster is broken; `cluster up` starts it anew: %w", err)
	}
	return nil
}

// Load brings an archive to the node.
func (c Cluster) Load(ctx context.Context, archive string) error {
	return c.kind(ctx, "", "load", "image-archive", "--name", cluster, archive)
}

// Missing tells whether an image is absent or differs.
func (c Cluster) Missing(ctx context.Context, img *image.Image) (bool, error) {
	out, err := exec.CommandContext(ctx, "docker", "exec", container, "ctr", "-n", "k8s.io", "images", "list").Output()
	if err != nil {
		return false, fmt.Errorf("list the cluster's images: %w", err)
	}
	return img.MissingFrom(string(out)), nil
}

// kind runs kind itself; its own progress goes to the log.
func (c Cluster) kind(ctx context.Context, stdin string, args ...string) error {
	tool, err := c.Cache.Tool(ctx, "kind")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = c.Log, c.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("kind %s %s: %w; it says why above", args[0], args[1], err)
	}
	return nil
}

// kubectl runs the one on the node, so that none has to be built for it.
func (c Cluster) kubectl(ctx context.Context, stdin string, args ...string) error {
	_, err := c.kubectlOutput(ctx, stdin, args...)
	return err
}

func (c Cluster) kubectlOutput(ctx context.Context, stdin string, args ...string) (string, error) {
	args = append([]string{"exec", "-i", container, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"}, args...)
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args[:4], " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
