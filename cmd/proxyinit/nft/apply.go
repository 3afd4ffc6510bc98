package nft

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/sluice-mesh/sluice/pkg/inject/redirect"
)

// Apply replaces both tables. What was left out, and why, is no error: a kernel without nftables for IPv6, in a pod that
// IPv6 cannot reach.
func Apply(tables []redirect.Ruleset) (leftOut string, err error) {
	conn, err := nftables.New()
	if err != nil {
		return "", fmt.Errorf("connect to nftables: %w", err)
	}
	for _, r := range tables {
		if err := install(conn, r); err == nil {
			continue
		} else if r.Family != redirect.IPv6 || r.Enabled && reachable(r.Family, net.InterfaceAddrs) {
			return "", err
		} else {
			leftOut = fmt.Sprintf("IPv6 is left alone, and the pod has no IPv6 address that it could be reached by: %v", err)
		}
	}
	return leftOut, nil
}

// reachable says whether other machines reach this network namespace, and are reached from it, over the family. An
// interface that has only its link-local address has no way to another machine's application, and a kernel without
// IPv6 has not even that.
func reachable(f redirect.Family, addresses func() ([]net.Addr, error)) bool {
	list, err := addresses()
	if err != nil {
		return true // a pod that is not what it seems must not start
	}
	return slices.ContainsFunc(list, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && (n.IP.To4() == nil) == (f == redirect.IPv6) && n.IP.IsGlobalUnicast()
	})
}

// Check compares the tables with what the kernel has, which takes the capability NET_ADMIN.
func Check(tables []redirect.Ruleset) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("connect to nftables: %w", err)
	}
	for _, r := range tables {
		if r.Family == redirect.IPv6 && !reachable(r.Family, net.InterfaceAddrs) {
			continue // it may have been left out
		}
		if err := check(conn, r); err != nil {
			return fmt.Errorf("table %s %s: %w", r.Family.Keyword, redirect.Table, err)
		}
	}
	return nil
}

func check(conn *nftables.Conn, r redirect.Ruleset) error {
	table := tableOf(r)
	chains, err := conn.ListChainsOfTableFamily(table.Family)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("list the chains: %w", err)
	}
	chains = slices.DeleteFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name != redirect.Table })
	want := map[string][]redirect.Rule{redirect.ChainEgress: r.Egress, redirect.ChainIngress: r.Ingress}
	if !r.Enabled {
		want = nil
	}
	if len(chains) != len(want) {
		return fmt.Errorf("it has %d chains instead of %d", len(chains), len(want))
	}
	for _, chain := range chains {
		rules, err := conn.GetRules(table, chain)
		if err != nil {
			return fmt.Errorf("list the rules of chain %s: %w", chain.Name, err)
		}
		if !slices.EqualFunc(rules, want[chain.Name], func(have *nftables.Rule, want redirect.Rule) bool {
			return reflect.DeepEqual(have.Exprs, expressions(want))
		}) {
			return fmt.Errorf("the rules of chain %s are not ours", chain.Name)
		}
	}
	return nil
}
