package redirect

import (
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
		ip daddr 127.0.0.0/8 tcp dport 15022 redirect to :15023
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
		ip daddr 127.0.0.0/8 tcp dport 15022 redirect to :15023
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
		ip6 daddr ::1/128 tcp dport 15022 redirect to :15023
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
			s, err := FromEnvironment(environment(tc.env...))
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, table := range s.Rulesets() {
				got += table.String()
				for _, r := range slices.Concat(table.Egress, table.Ingress) {
					if r.Why == "" {
						t.Errorf("rule %q does not say why", r)
					}
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
		"a list that would take the node's memory": {"APPMESH_APP_PORTS", strings.Repeat("1,", 1001),
			`read APPMESH_APP_PORTS: "1" is not among the first 1000, which is the most that one list may have`},
		"an address by name": {"APPMESH_EGRESS_IGNORED_IP", "metadata", `read APPMESH_EGRESS_IGNORED_IP: "metadata" is not an address or a CIDR`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := FromEnvironment(environment(tc.name, tc.value)); err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestAnnotations: what the CNI plugin reads gives the rules that the init container would write.
func TestAnnotations(t *testing.T) {
	tests := map[string]struct {
		annotations map[string]string
		env         []string
		err         string
	}{
		"nothing said": {env: []string{"APPMESH_ENABLE_IPV6", "1"}},
		"all of it": {
			annotations: map[string]string{
				"appmesh.k8s.aws/ports": "8080,9000:9010", "appmesh.k8s.aws/egressIgnoredIPs": "10.0.0.0/8", "appmesh.k8s.aws/egressIgnoredPorts": "3306",
				"appmesh.k8s.aws/ignoredUID": "101", "appmesh.k8s.aws/proxyEgressPort": "16001", "appmesh.k8s.aws/proxyIngressPort": "16000",
				"appmesh.k8s.aws/ipv6": "Disabled", "appmesh.k8s.aws/ignoredGID": "7",
			},
			env: []string{"APPMESH_APP_PORTS", "8080,9000:9010", "APPMESH_EGRESS_IGNORED_IP", "10.0.0.0/8", "APPMESH_EGRESS_IGNORED_PORTS", "3306",
				"APPMESH_IGNORE_UID", "101", "APPMESH_ENVOY_EGRESS_PORT", "16001", "APPMESH_ENVOY_INGRESS_PORT", "16000"},
		},
		"a port by name": {
			annotations: map[string]string{"appmesh.k8s.aws/ports": "http"},
			err:         `read annotation appmesh.k8s.aws/ports: "http" is not a port from 1 to 65535, or two as first:last`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := FromAnnotations(tc.annotations)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("got %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := FromEnvironment(environment(tc.env...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text(want), text(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func text(s Settings) (out string) {
	for _, table := range s.Rulesets() {
		out += table.String()
	}
	return out
}
