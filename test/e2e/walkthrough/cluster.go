package walkthrough

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Cluster is a Kubernetes that the walk-through drives through kubectl, as its users do.
type Cluster struct {
	// Root is the checkout: where config/ and test/cluster are.
	Root string
	// Kubectl is the path of the binary.
	Kubectl string
	// Kubeconfig is passed to every call; empty means kubectl's own choice.
	Kubeconfig string
	// Out receives the progress of long work.
	Out io.Writer
	// newImages says that images of ours were replaced under their name, so that running pods have old ones.
	newImages bool
}

// Own brings up the cluster of test/cluster, with our images in it.
func Own(ctx context.Context, root string, out io.Writer) (*Cluster, error) {
	c := &Cluster{Root: root, Out: out}
	for _, verb := range []string{"up", "images"} {
		if _, err := c.tool(ctx, verb); err != nil {
			return nil, err
		}
	}
	var err error
	if c.Kubeconfig, err = c.tool(ctx, "kubeconfig"); err != nil {
		return nil, err
	}
	if c.Kubectl, err = c.tool(ctx, "tool", "kubectl"); err != nil {
		return nil, err
	}
	return c, nil
}

// Images builds further images and brings them into the cluster of test/cluster.
func (c *Cluster) Images(ctx context.Context, names ...string) error {
	_, err := c.tool(ctx, append([]string{"images"}, names...)...)
	return err
}

// Existing uses the cluster that kubectl talks to already; its images must be pullable there.
func Existing(root string, out io.Writer) (*Cluster, error) {
	path, err := exec.LookPath("kubectl")
	if err != nil {
		return nil, fmt.Errorf("find kubectl: %w: install it, or leave out --use-cluster", err)
	}
	return &Cluster{Root: root, Kubectl: path, Out: out}, nil
}

// Down stops the cluster of test/cluster.
func Down(ctx context.Context, root string, out io.Writer) error {
	_, err := (&Cluster{Root: root, Out: out}).tool(ctx, "down")
	return err
}

// tool runs one verb of test/cluster: its progress goes to Out, its answer is returned.
func (c *Cluster) tool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"-C", filepath.Join(c.Root, "test", "cluster"), "run", "."}, args...)...)
	var progress bytes.Buffer
	cmd.Stderr = io.MultiWriter(c.Out, &progress)
	out, err := cmd.Output()
	c.newImages = c.newImages || strings.Contains(progress.String(), "/sluice:dev: loaded")
	if err != nil {
		return "", fmt.Errorf("cluster %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Command prepares a kubectl call against this cluster.
func (c *Cluster) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Kubectl, args...)
	cmd.Env = os.Environ()
	if c.Kubeconfig != "" {
		cmd.Env = append(cmd.Env, "KUBECONFIG="+c.Kubeconfig)
	}
	// A cancelled context must not leave a hanging pipe behind.
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Run calls kubectl and returns its standard output; the error carries what kubectl said.
func (c *Cluster) Run(ctx context.Context, args ...string) (string, error) {
	return c.RunInput(ctx, "", args...)
}

// RunInput is Run with standard input.
func (c *Cluster) RunInput(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := c.Command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Apply applies a manifest and returns all that kubectl says, warnings too.
func (c *Cluster) Apply(ctx context.Context, manifest string, args ...string) (said string, err error) {
	cmd := c.Command(ctx, append([]string{"apply", "-f", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(manifest)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl apply: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Get decodes one object into out.
func (c *Cluster) Get(ctx context.Context, out any, args ...string) error {
	text, err := c.Run(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), out)
}

// Eventually calls check until it returns nil; after the timeout it returns the last error.
func Eventually(ctx context.Context, timeout time.Duration, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, timeout, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}
