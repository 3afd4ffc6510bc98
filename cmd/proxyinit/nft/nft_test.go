package nft

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"

	"github.com/sluice-mesh/sluice/pkg/inject/redirect"
	"github.com/sluice-mesh/sluice/test/podnet"
)

// TestRedirection opens real connections in network namespaces of its own: a pod with an application, with ports that
// stand for Envoy, and a machine outside.
func TestRedirection(t *testing.T) {
	pod, outside := podnet.New(t), podnet.New(t)
	podnet.Connect(t, pod, outside)
	for _, e := range []podnet.Ends{podnet.IPv4, podnet.IPv6} {
		for _, port := range []int{15000, 15001, 8080, 9090} {
			podnet.Serve(t, pod, e, e.Pod, port)
		}
		for _, port := range []int{80, 22, 3306, 8080} {
			podnet.Serve(t, outside, e, e.Outside, port)
			podnet.Serve(t, outside, e, e.Ignored, port)
		}
	}
	env := []string{"APPMESH_APP_PORTS", "8080", "APPMESH_IGNORE_GID", "4242", "APPMESH_ENABLE_IPV6", "1",
		"APPMESH_EGRESS_IGNORED_IP", podnet.IPv4.Ignored + "," + podnet.IPv6.Ignored, "APPMESH_EGRESS_IGNORED_PORTS", "3306"}
	check := func(redirected4, redirected6 bool) {
		t.Helper()
		checkDials(t, pod, outside, podnet.IPv4, redirected4)
		checkDials(t, pod, outside, podnet.IPv6, redirected6)
	}
	check(false, false)
	apply(t, pod, rulesets(t, env...))
	check(true, true)
	before := countRules(t, pod)
	apply(t, pod, rulesets(t, env...)) // init containers may run again
	check(true, true)
	if after := countRules(t, pod); after != before || before == 0 {
		t.Errorf("the second run left %d rules, the first %d", after, before)
	}
	apply(t, pod, rulesets(t, append(env, "APPMESH_ENABLE_IPV6", "0")...))
	check(true, false)
	apply(t, pod, rulesets(t, append(env, "APPMESH_START_ENABLED", "0")...))
	check(false, false)
}

// rulesets are those of proxyinit with these variables, of which the last has the last word.
func rulesets(t *testing.T, pairs ...string) []redirect.Ruleset {
	t.Helper()
	env := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	s, err := redirect.FromEnvironment(func(name string) string { return env[name] })
	must(t, err)
	return s.Rulesets()
}

func apply(t *testing.T, ns netns.NsHandle, tables []redirect.Ruleset) {
	t.Helper()
	podnet.In(t, ns, func() {
		if leftOut, err := Apply(tables); err != nil || leftOut != "" {
			t.Errorf("apply: %q %v", leftOut, err)
		}
	})
}

func checkDials(t *testing.T, pod, outside netns.NsHandle, e podnet.Ends, redirected bool) {
	t.Helper()
	for name, d := range dials(e) {
		from := pod
		if d.Outside {
			from = outside
		}
		want := d.To
		if redirected && d.Want != 0 {
			want = d.Want
		}
		if got, err := d.From(t, from, e); err != nil || got != fmt.Sprintf("%d for %s", want, net.JoinHostPort(d.Host, fmt.Sprint(d.To))) {
			t.Errorf("%s, %s: got %q %v, want port %d", e.Network, name, got, err, want)
		}
	}
}

func dials(e podnet.Ends) map[string]podnet.Dial {
	return map[string]podnet.Dial{
		"incoming to a port of the application":                {Host: e.Pod, To: 8080, Want: 15000, Outside: true},
		"incoming to another port":                             {Host: e.Pod, To: 9090, Outside: true},
		"outgoing":                                             {Host: e.Outside, To: 80, Want: 15001},
		"outgoing to a port that the application has, too":     {Host: e.Outside, To: 8080, Want: 15001},
		"outgoing to an ignored port":                          {Host: e.Outside, To: 3306},
		"outgoing to ssh":                                      {Host: e.Outside, To: 22},
		"outgoing to an ignored address":                       {Host: e.Ignored, To: 80},
		"outgoing from Envoy":                                  {Host: e.Outside, To: 80, UID: 1337},
		"outgoing from the ignored group":                      {Host: e.Outside, To: 80, GID: 4242},
		"from the application to its own pod":                  {Host: e.Pod, To: 8080},
		"from the application to loopback":                     {Host: e.Loopback, To: 9090},
		"from Envoy to its own application":                    {Host: e.Loopback, To: 8080, UID: 1337},
		"from Envoy to its own pod, as its own backend":        {Host: e.Pod, To: 8080, Want: 15000, UID: 1337},
		"from Envoy to another port of its own pod":            {Host: e.Pod, To: 9090, UID: 1337},
		"from an ordinary user, who is not the proxy, outside": {Host: e.Outside, To: 80, Want: 15001, UID: 1000},
	}
}

func countRules(t *testing.T, ns netns.NsHandle) int {
	t.Helper()
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns)))
	must(t, err)
	chains, err := conn.ListChains()
	must(t, err)
	count := 0
	for _, chain := range chains {
		rules, err := conn.GetRules(chain.Table, chain)
		must(t, err)
		count += len(rules)
	}
	return count
}

// TestCheckFindsDifferences: what was written is recognised, and nothing else is.
func TestCheckFindsDifferences(t *testing.T) {
	pod, outside := podnet.New(t), podnet.New(t)
	podnet.Connect(t, pod, outside)
	env := []string{"APPMESH_APP_PORTS", "8080,9000:9010", "APPMESH_IGNORE_GID", "7", "APPMESH_ENABLE_IPV6", "1",
		"APPMESH_EGRESS_IGNORED_IP", "10.0.0.0/8,fd00::/8", "APPMESH_EGRESS_IGNORED_PORTS", "3306"}
	ours := rulesets(t, env...)
	check := func(want string, tables []redirect.Ruleset) {
		t.Helper()
		podnet.In(t, pod, func() {
			if err := Check(tables); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	off := rulesets(t, "APPMESH_START_ENABLED", "0")
	check("", off)
	check("table ip sluice: it has 0 chains instead of 2", ours)
	apply(t, pod, ours)
	check("", ours)
	check("table ip sluice: it has 2 chains instead of 0", off)
	check("table ip6 sluice: it has 2 chains instead of 0", rulesets(t, append(env, "APPMESH_ENABLE_IPV6", "0")...))
	check("table ip sluice: the rules of chain", rulesets(t, append(env, "APPMESH_APP_PORTS", "8081,9000:9010")...))
	check("table ip sluice: the rules of chain egress are not ours", rulesets(t, append(env, "APPMESH_EGRESS_IGNORED_IP", "10.0.0.0/9,fd00::/8")...))
	check("table ip6 sluice: the rules of chain egress are not ours", rulesets(t, append(env, "APPMESH_EGRESS_IGNORED_IP", "10.0.0.0/8")...))
}

// TestProofNeedsTheRules: a listener on the port that is dialled does not pass for the redirection.
func TestProofNeedsTheRules(t *testing.T) {
	pod, outside := podnet.New(t), podnet.New(t)
	podnet.Connect(t, pod, outside)
	ours := rulesets(t, "APPMESH_APP_PORTS", "8080")
	prove := func() (err error) {
		podnet.In(t, pod, func() { err = Prove(ours) })
		return err
	}
	var missing *Missing
	if err := prove(); !errors.As(err, &missing) || missing.Family != redirect.IPv4 {
		t.Errorf("nothing there: got %v", err)
	}
	podnet.Serve(t, pod, podnet.IPv4, podnet.IPv4.Loopback, 15022)
	if err := prove(); !errors.As(err, &missing) {
		t.Errorf("another listener: got %v", err)
	}
	apply(t, pod, ours)
	if err := prove(); err != nil {
		t.Errorf("redirected: got %v", err)
	}
	podnet.Serve(t, pod, podnet.IPv4, podnet.IPv4.Loopback, 15023)
	if err := prove(); err == nil || errors.As(err, &missing) {
		t.Errorf("the listener's port is taken, which says nothing about the redirection: got %v", err)
	}
}

// TestIPv6ThatCannotBeWritten: only a pod that IPv6 can reach fails to start.
func TestIPv6ThatCannotBeWritten(t *testing.T) {
	address := func(cidr string) net.Addr {
		ip, n, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		return n
	}
	tests := map[string]struct {
		addresses []net.Addr
		err       error
		want      bool
	}{
		"IPv4 only":                    {addresses: []net.Addr{address("127.0.0.1/8"), address("10.0.0.1/24")}},
		"loopback and link-local IPv6": {addresses: []net.Addr{address("::1/128"), address("fe80::1/64")}},
		"an IPv6 address":              {addresses: []net.Addr{address("10.0.0.1/24"), address("fd00::1/64")}, want: true},
		"nobody knows":                 {err: errors.New("no netlink"), want: true},
	}
	for name, tc := range tests {
		got := reachable(redirect.IPv6, func() ([]net.Addr, error) { return tc.addresses, tc.err })
		if got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
