package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-mesh/sluice/test/cluster/hosts"
	"github.com/sluice-mesh/sluice/test/cluster/image"
	"github.com/sluice-mesh/sluice/test/cluster/node"
	"github.com/sluice-mesh/sluice/test/cluster/process"
)

// installMetrics runs our build of metrics-server, so that HPAs scale.
func (c Cluster) installMetrics(ctx context.Context) error {
	dirs, err := c.Cache.Ensure(ctx, "metrics-server")
	if err != nil {
		return err
	}
	img, err := image.Build(node.MetricsImage(dirs[0]))
	if err != nil {
		return err
	}
	archive := filepath.Join(c.Dir, "metrics-server.tar")
	if err := img.Write(archive); err != nil {
		return err
	}
	defer os.Remove(archive)
	if err := c.Load(ctx, archive); err != nil {
		return err
	}
	manifest, err := node.MetricsManifest()
	if err != nil {
		return err
	}
	return c.kubectl(ctx, string(manifest), "apply", "--server-side", "-f", "-")
}

// serveBalancers makes hostnames resolve in pods and starts the process that
// gives addresses out.
func (c Cluster) serveBalancers(ctx context.Context) error {
	if err := c.teachDNS(ctx); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "docker", "network", "inspect", "kind",
		"-f", `{{range .IPAM.Config}}{{.Subnet}} {{end}}`).Output()
	if err != nil {
		return fmt.Errorf("ask Docker for kind's network: %w", err)
	}
	addresses, err := balancerRange(string(out))
	if err != nil {
		return err
	}
	file := hosts.File
	if f, err := os.OpenFile(file, os.O_WRONLY, 0); err != nil {
		fmt.Fprintf(c.Log, "%s is not writable: LoadBalancer Services get addresses, but their names do not resolve on this host; run it as root for that\n", file)
		file = ""
	} else {
		f.Close()
	}
	self := filepath.Join(c.Dir, "cluster") // "go run" may throw away the original
	program, err := os.ReadFile(c.Self)
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	if err := os.WriteFile(self, program, 0o755); err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	return process.Start(process.Spec{
		Name: "balancer",
		Argv: balancerArgv(self, c.Kubeconfig(), addresses, file),
		Log:  filepath.Join(c.Dir, "balancer.log"),
	}, c.Dir)
}

// balancerArgv makes the node answer for each address, on the network that the
// host shares with it; kube-proxy on the node does the rest.
func balancerArgv(self, kubeconfig, addresses, hostsFile string) []string {
	return []string{
		self, "lb", "--kubeconfig", kubeconfig, "--addresses", addresses, "--hosts", hostsFile,
		"--announce", "docker exec " + container + " ip address replace %s/32 dev eth0",
	}
}

// balancerRange takes addresses from the end of the network's IPv4 subnet:
// Docker gives them out from the beginning.
func balancerRange(subnets string) (string, error) {
	for _, s := range strings.Fields(subnets) {
		prefix, err := netip.ParsePrefix(s)
		if err != nil || !prefix.Addr().Is4() || prefix.Bits() > 24 {
			continue
		}
		last := prefix.Masked().Addr().As4()
		for bit := prefix.Bits(); bit < 24; bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		from, to := last, last
		from[3], to[3] = 200, 250
		return netip.AddrFrom4(from).String() + "-" + netip.AddrFrom4(to).String(), nil
	}
	return "", fmt.Errorf("find addresses for LoadBalancer Services: Docker's network kind has no IPv4 subnet of at least 256 addresses: %q", subnets)
}

// teachDNS adds the rewrite of LoadBalancer names to the cluster's Corefile;
// CoreDNS reloads it by itself.
func (c Cluster) teachDNS(ctx context.Context) error {
	corefile, err := c.kubectlOutput(ctx, "", "-n", "kube-system", "get", "configmap", "coredns", "-o", `jsonpath={.data.Corefile}`)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"data": map[string]string{"Corefile": withRewrite(corefile)}})
	if err != nil {
		return fmt.Errorf("change the Corefile: %w", err)
	}
	return c.kubectl(ctx, "", "-n", "kube-system", "patch", "configmap", "coredns", "--type=merge", "-p", string(patch))
}

// withRewrite puts the rule first in the server block, once.
func withRewrite(corefile string) string {
	rule := node.BalancerRewrite()
	head, rest, ok := strings.Cut(corefile, "{\n")
	if !ok || strings.Contains(corefile, rule) {
		return corefile
	}
	return head + "{\n" + rule + rest
}
