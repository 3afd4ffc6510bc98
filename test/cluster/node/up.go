package node

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
)

// Options says how to bring a cluster up.
type Options struct {
	Cache *build.Cache
	Log   io.Writer
	Self  string // this program, for the LoadBalancer process
}

// Up starts a cluster and returns when pods can run, names resolve and the
// metrics API answers. A cluster that runs already is left alone; one that is
// only half there is taken down first.
func Up(ctx context.Context, o Options) error {
	if err := Require(ctx, o.Log); err != nil {
		return err
	}
	if state, err := Inspect(ctx); err == nil && state.Healthy() {
		fmt.Fprintln(o.Log, "the cluster is running already")
		return nil
	}
	dirs, err := o.Cache.Ensure(ctx, componentNames...)
	if err != nil {
		return err
	}
	if err := Down(ctx, io.Discard); err != nil {
		return fmt.Errorf("clear away an earlier cluster: %w", err)
	}
	begin := time.Now()
	if err := bringUp(ctx, o, newPrograms(dirs)); err != nil {
		return fmt.Errorf("%w\nthe daemons' logs are in %s; `cluster down` clears everything away", err, LogDir())
	}
	fmt.Fprintf(o.Log, "the cluster is ready after %s\n", time.Since(begin).Round(100*time.Millisecond))
	return nil
}

func bringUp(ctx context.Context, o Options, p programs) error {
	s, err := prepare(p)
	if err != nil {
		return err
	}
	if err := makeCgroup(); err != nil {
		return err
	}
	if err := makeNetwork(ctx); err != nil {
		return err
	}
	// containerd first: the images are imported while etcd and the API
	// server come up, which takes about as long.
	for _, d := range []daemon{p.containerdDaemon(), p.etcdDaemon(), p.apiserverDaemon()} {
		if err := d.start(); err != nil {
			return err
		}
	}
	fmt.Fprintln(o.Log, "starting the control plane, loading the cluster's images")
	if err := waitFor(ctx, "containerd", 30*time.Second, func() error {
		return run(ctx, p.ctr(), "--address", Socket(), "version")
	}); err != nil {
		return err
	}
	if err := loadSystemImages(ctx, p); err != nil {
		return err
	}
	if err := waitFor(ctx, "kube-apiserver", 90*time.Second, func() error {
		return kubectl(ctx, p, nil, "get", "--raw=/readyz")
	}); err != nil {
		return err
	}
	self, err := keepSelf(o.Self)
	if err != nil {
		return err
	}
	for _, d := range []daemon{p.controllersDaemon(), p.schedulerDaemon(), p.proxyDaemon(), p.kubeletDaemon(), balancerDaemon(self)} {
		if err := d.start(); err != nil {
			return err
		}
	}
	return populate(ctx, o, p, s)
}

// prepare writes everything that the daemons read.
func prepare(p programs) (settings, error) {
	for _, dir := range []string{Dir, LogDir(), path("pids"), path("run"), path("bin"), path("cni"), path("cni-bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return settings{}, fmt.Errorf("make the cluster's folder: %w", err)
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return settings{}, fmt.Errorf("find runc: %w", err)
	}
	s := settings{
		Dir: Dir, Name: Name, Socket: Socket(), NodeIP: NodeIP, DNSIP: DNSIP,
		PodCIDR: PodCIDR, ClusterCIDR: ClusterCIDR, CNIBin: p.cni, Shim: p.shim(), Runc: runc, Cgroup: Cgroup,
		PauseImage: pauseName, CoreDNSImage: coreDNSName, MetricsImage: metricsName,
		Resolvers: hostResolvers(), BalancerRewrite: BalancerRewrite(),
	}
	if err := rememberSysctls(); err != nil {
		return settings{}, err
	}
	if err := allowWatchers(); err != nil {
		return settings{}, err
	}
	if err := writeCredentials(); err != nil {
		return settings{}, err
	}
	return s, writeConfigs(s)
}

// populate waits for the node and installs what runs in the cluster.
func populate(ctx context.Context, o Options, p programs, s settings) error {
	for _, name := range []string{"coredns.yaml", "metrics-server.yaml"} {
		manifest, err := render(name, s)
		if err != nil {
			return err
		}
		if err := waitFor(ctx, "applying "+name, 30*time.Second, func() error {
			return kubectl(ctx, p, manifest, "apply", "--server-side", "-f", "-")
		}); err != nil {
			return err
		}
	}
	if err := waitFor(ctx, "the node", 60*time.Second, func() error {
		return kubectl(ctx, p, nil, "wait", "--for=condition=Ready", "--timeout=1s", "node/"+Name)
	}); err != nil {
		return err
	}
	fmt.Fprintln(o.Log, "the node is ready; waiting for DNS and metrics")
	return waitFor(ctx, "CoreDNS and metrics-server", 2*time.Minute, func() error {
		return errors.Join(
			kubectl(ctx, p, nil, "-n", "kube-system", "wait", "--for=condition=Available", "--timeout=1s", "deployment/coredns"),
			kubectl(ctx, p, nil, "wait", "--for=condition=Available", "--timeout=1s", "apiservice/v1beta1.metrics.k8s.io"),
			kubectl(ctx, p, nil, "-n", "default", "get", "serviceaccount/default"),
		)
	})
}

func kubectl(ctx context.Context, p programs, stdin []byte, args ...string) error {
	cmd := exec.CommandContext(ctx, p.kubectl(), append([]string{"--kubeconfig", Kubeconfig()}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), direct()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// waitFor tries until it succeeds. When it does not, the last complaint and the
// daemons that died tell why.
func waitFor(ctx context.Context, what string, patience time.Duration, try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if dead := deadDaemons(); len(dead) > 0 {
			return fmt.Errorf("wait for %s: %s ended: %s", what, dead[0], lastLine(filepath.Join(LogDir(), dead[0]+".log")))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for %s: not within %s: %w", what, patience, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// keepSelf copies this program: "go run" may throw away the one it made.
func keepSelf(self string) (string, error) {
	content, err := os.ReadFile(self)
	if err != nil {
		return "", fmt.Errorf("copy this program: %w", err)
	}
	to := path("bin", "cluster")
	if err := os.WriteFile(to, content, 0o755); err != nil {
		return "", fmt.Errorf("copy this program: %w", err)
	}
	return to, nil
}

func lastLine(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return lines[len(lines)-1]
}
