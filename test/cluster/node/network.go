package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// table is our own nft table; kubeTables are those that kube-proxy and the
// portmap plugin make, and leave behind when they end.
const table = "sluice-cluster"

var kubeTables = []string{"ip kube-proxy", "ip6 kube-proxy", "ip cni_hostport", "ip6 cni_hostport"}

// makeNetwork gives the node its address and pods their way out.
func makeNetwork(ctx context.Context) error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1\n"), 0o644); err != nil {
		return fmt.Errorf("let the machine route between pods (set net.ipv4.ip_forward to 1): %w", err)
	}
	for _, args := range [][]string{
		{"link", "add", Bridge, "type", "bridge"},
		{"addr", "add", NodePrefix, "dev", Bridge},
		{"link", "set", Bridge, "up"},
	} {
		if err := run(ctx, "ip", args...); err != nil {
			return fmt.Errorf("make the node's network device: %w", err)
		}
	}
	rules := fmt.Sprintf(`table ip %s {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %s ip daddr != %s masquerade
	}
}
`, table, PodCIDR, ClusterCIDR)
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the nft table %s: %w: %s", table, err, out)
	}
	return nil
}

// removeNetwork undoes makeNetwork and what the cluster added to it. The pods'
// own devices vanish with their network namespaces.
func removeNetwork(ctx context.Context) error {
	var failed error
	if _, err := os.Stat("/sys/class/net/" + Bridge); err == nil {
		failed = errors.Join(failed, run(ctx, "ip", "link", "delete", Bridge))
	}
	present, err := exec.CommandContext(ctx, "nft", "list", "tables").Output()
	if err != nil {
		return errors.Join(failed, fmt.Errorf("list the nft tables: %w", err))
	}
	for _, t := range append([]string{"ip " + table}, kubeTables...) {
		if hasTable(string(present), t) {
			failed = errors.Join(failed, run(ctx, "nft", append([]string{"delete", "table"}, strings.Fields(t)...)...))
		}
	}
	return failed
}

// hasTable reads the answer of "nft list tables": one "table ip name" per line.
func hasTable(list, t string) bool {
	for line := range strings.Lines(list) {
		if strings.TrimSpace(line) == "table "+t {
			return true
		}
	}
	return false
}

// run executes a command whose output matters only when it fails.
func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
