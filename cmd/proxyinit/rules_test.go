package main

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func environment(pairs ...string) func(string) string {
	env := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return env[name] }
}

// What is printed for a family that is not redirected.
const (
	noIPv4 = "# no redirection in table ip sluice\n"
	noIPv6 = "# no redirection in table ip6 sluice\n"
)

func TestRules(t *testing.T) {
	tests := map[string]struct {
		env  []string
		want string
	}{
		"nothing set: everything goes out through Envoy, nothing comes in": {nil, `table ip sluice {
	chain egress {
		type nat hook output priority dstnat;
		meta l4proto != tcp return
		meta skuid 1337 return
		tcp dport 22 return
		fib daddr type local return
		meta l4proto tcp redirect to :15001
	}
	chain ingress {
		type nat hook prerouting priority dstnat;
		meta l4proto != tcp return
		fib saddr type local return
	}
}
` + noIPv6},
		"all of it": {[]string{
			"APPMESH_START_ENABLED", "1", "APPMESH_IGNORE_UID", "101", "APPMESH_IGNORE_GID", "102",
			"APPMESH_ENVOY_INGRESS_PORT", "16000", "APPMESH_ENVOY_EGRESS_PORT", "16001", "APPMESH_APP_PORTS", "8080, 9000:9010",
			"APPMESH_EGRESS_IGNORED_IP", "169.254.169.254,10.1.2.3/8,fd00::1,fd01:2::3/32", "APPMESH_EGRESS_IGNORED_PORTS", "3306,",
			"APPMESH_ENABLE_IPV6", "1",
		}, `table ip sluice {
	chain egress {
		type nat hook output priority dstnat;
		meta l4proto != tcp return
		meta skuid 101 ip daddr != 127.0.0.0/8 fib daddr type local tcp dport 8080 redirect to :16000
		meta skuid 101 ip daddr != 127.0.0.0/8 fib daddr type local tcp dport 9000-9010 redirect to :16000
		meta skuid 101 return
		meta skgid 102 return
		tcp dport 22 return
		tcp dport 3306 return
		ip daddr 169.254.169.254/32 return
		ip daddr 10.0.0.0/8 return
		fib daddr type local return
		meta l4proto tcp redirect to :16001
	}
	chain ingress {
		type nat hook prerouting priority dstnat;
		meta l4proto != tcp return
		fib saddr type local return
		tcp dport 8080 redirect to :16000
		tcp dport 9000-9010 redirect to :16000
	}
}
table ip6 sluice {
	chain egress {
		type nat hook output priority dstnat;
		meta l4proto != tcp return
		meta skuid 101 ip6 daddr != ::1/128 fib daddr type local tcp dport 8080 redirect to :16000
		meta skuid 101 ip6 daddr != ::1/128 fib daddr type local tcp dport 9000-9010 redirect to :16000
		meta skuid 101 return
		meta skgid 102 return
		tcp dport 22 return
		tcp dport 3306 return
		ip6 daddr fd00::1/128 return
		ip6 daddr fd01:2::/32 return
		fib daddr type local return
		meta l4proto tcp redirect to :16001
	}
	chain ingress {
		type nat hook prerouting priority dstnat;
		meta l4proto != tcp return
		fib saddr type local return
		tcp dport 8080 redirect to :16000
		tcp dport 9000-9010 redirect to :16000
	}
}
`},
		"switched off":                    {[]string{"APPMESH_START_ENABLED", "0"}, noIPv4 + noIPv6},
		"App Mesh's word for no port: 0":  {[]string{"APPMESH_START_ENABLED", "0", "APPMESH_APP_PORTS", "0"}, noIPv4 + noIPv6},
		"an empty list of ignored things": {[]string{"APPMESH_START_ENABLED", "0", "APPMESH_EGRESS_IGNORED_IP", " ,"}, noIPv4 + noIPv6},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := readSettings(environment(tc.env...))
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, table := range build(s) {
				got += table.String()
				for _, r := range slices.Concat(table.egress, table.ingress) {
					if r.why == "" {
						t.Errorf("rule %q does not say why", r)
					}
					expressions(r) // panics for a condition without translation
				}
			}
			if diff := cmp.Diff(tc.want, withoutReasons(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func withoutReasons(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		rule, _, _ := strings.Cut(line, " # ")
		lines = append(lines, rule)
	}
	return strings.Join(lines, "\n")
}

func TestSettingsErrors(t *testing.T) {
	tests := map[string]struct{ name, value, want string }{
		"a switch that is a word":     {"APPMESH_START_ENABLED", "yes", `read APPMESH_START_ENABLED: "yes" is not 0 or 1`},
		"a user by name":              {"APPMESH_IGNORE_UID", "envoy", `read APPMESH_IGNORE_UID: "envoy" is not a number`},
		"a group that is negative":    {"APPMESH_IGNORE_GID", "-1", `read APPMESH_IGNORE_GID: "-1" is not a number`},
		"a port that does not exist":  {"APPMESH_ENVOY_INGRESS_PORT", "70000", `read APPMESH_ENVOY_INGRESS_PORT: "70000" is not a port from 1 to 65535`},
		"a port by name":              {"APPMESH_APP_PORTS", "8080,http", `read APPMESH_APP_PORTS: "http" is not a port from 1 to 65535, or two as first:last`},
		"a range that goes backwards": {"APPMESH_APP_PORTS", "90:80", `read APPMESH_APP_PORTS: "90:80" is not a port from 1 to 65535, or two as first:last`},
		"an address by name":          {"APPMESH_EGRESS_IGNORED_IP", "metadata", `read APPMESH_EGRESS_IGNORED_IP: "metadata" is not an address or a CIDR`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := readSettings(environment(tc.name, tc.value)); err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	tests := map[string]struct {
		args       []string
		env        []string
		code       int
		out, error string
	}{
		"help teaches":          {[]string{"--help"}, nil, 0, "APPMESH_APP_PORTS", ""},
		"print changes nothing": {[]string{"--print"}, []string{"APPMESH_APP_PORTS", "8080"}, 0, "tcp dport 8080 redirect to :15000", ""},
		"an unknown flag":       {[]string{"--force"}, nil, 2, "", "see proxyinit --help"},
		"an argument":           {[]string{"start"}, nil, 2, "", "see proxyinit --help"},
		"a bad variable":        {nil, []string{"APPMESH_APP_PORTS", "http"}, 2, "", `"http" is not a port`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(tc.args, environment(tc.env...), &stdout, &stderr)
			if code != tc.code || !strings.Contains(stdout.String(), tc.out) || !strings.Contains(stderr.String(), tc.error) {
				t.Errorf("got %d, %q, %q", code, stdout.String(), stderr.String())
			}
		})
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
		off, want bool
	}{
		"IPv4 only":                    {addresses: []net.Addr{address("127.0.0.1/8"), address("10.0.0.1/24")}},
		"loopback and link-local IPv6": {addresses: []net.Addr{address("::1/128"), address("fe80::1/64")}},
		"an IPv6 address":              {addresses: []net.Addr{address("10.0.0.1/24"), address("fd00::1/64")}, want: true},
		"nobody knows":                 {err: errors.New("no netlink"), want: true},
		"nothing to redirect":          {addresses: []net.Addr{address("fd00::1/64")}, off: true},
	}
	for name, tc := range tests {
		got := needsIPv6(ruleset{family: ipv6, enabled: !tc.off}, func() ([]net.Addr, error) { return tc.addresses, tc.err })
		if got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
