package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// tableName is the table that is ours alone.
const tableName = "sluice"

// ruleset is the content of one table. It is plain data, which install writes and String prints.
type ruleset struct {
	family  family
	enabled bool
	// egress sees the first packet of every connection that a process of the pod opens, ingress that of every
	// connection that arrives.
	egress, ingress []rule
}

// family is what the rules of IPv4 and IPv6 differ in. The kernel has a table per family.
type family struct {
	// keyword is nft's name of the family.
	keyword string
	// bits is the length of an address.
	bits int
	// loopback is where Envoy reaches its own application.
	loopback netip.Prefix
}

var (
	ipv4 = family{keyword: "ip", bits: 32, loopback: netip.MustParsePrefix("127.0.0.0/8")}
	ipv6 = family{keyword: "ip6", bits: 128, loopback: netip.MustParsePrefix("::1/128")}
)

// has says whether the address is of the family.
func (f family) has(a netip.Addr) bool { return a.BitLen() == f.bits }

// keyword is nft's name of the family of an address.
func keyword(a netip.Addr) string {
	if ipv4.has(a) {
		return ipv4.keyword
	}
	return ipv6.keyword
}

// rule is a list of conditions that all have to hold, and what happens then.
type rule struct {
	when []condition
	// redirect is the port that takes the connection; 0 leaves the connection as it is.
	redirect uint16
	why      string
}

// condition is one of the types below.
type condition interface{ fmt.Stringer }

type (
	// notTCP holds for every other protocol.
	notTCP struct{}
	// fromUser and fromGroup hold for sockets that this user or group opened.
	fromUser  struct{ uid uint32 }
	fromGroup struct{ gid uint32 }
	// toPorts holds for a range of destination ports.
	toPorts struct{ portRange }
	// toPrefix and notToPrefix hold for destinations inside and outside.
	toPrefix    struct{ netip.Prefix }
	notToPrefix struct{ netip.Prefix }
	// toLocal and fromLocal hold for addresses of this network namespace.
	toLocal   struct{}
	fromLocal struct{}
)

func (notTCP) String() string        { return "meta l4proto != tcp" }
func (c fromUser) String() string    { return fmt.Sprintf("meta skuid %d", c.uid) }
func (c fromGroup) String() string   { return fmt.Sprintf("meta skgid %d", c.gid) }
func (c toPorts) String() string     { return "tcp dport " + c.portRange.String() }
func (c toPrefix) String() string    { return keyword(c.Addr()) + " daddr " + c.Prefix.String() }
func (c notToPrefix) String() string { return keyword(c.Addr()) + " daddr != " + c.Prefix.String() }
func (toLocal) String() string       { return "fib daddr type local" }
func (fromLocal) String() string     { return "fib saddr type local" }

// build says which connections go to Envoy, for both families: a table that has nothing to say is removed. The first
// rule that holds decides.
func build(s settings) []ruleset {
	return []ruleset{buildFamily(s, ipv4, s.enabled), buildFamily(s, ipv6, s.enabled && s.ipv6)}
}

func buildFamily(s settings, f family, enabled bool) ruleset {
	if !enabled {
		return ruleset{family: f}
	}
	return ruleset{family: f, enabled: true, egress: egress(s, f), ingress: ingress(s)}
}

func egress(s settings, f family) []rule {
	rules := []rule{{when: []condition{notTCP{}}, why: "DNS and everything else that is not TCP"}}
	for _, p := range s.appPorts {
		rules = append(rules, rule{
			when:     []condition{fromUser{s.uid}, notToPrefix{f.loopback}, toLocal{}, toPorts{p}},
			redirect: s.ingressPort,
			why:      "a virtual node that is its own backend: Envoy dials the pod and has to pass its own ingress",
		})
	}
	rules = append(rules, rule{when: []condition{fromUser{s.uid}}, why: "what Envoy sends out was redirected before"})
	if s.gid != nil {
		rules = append(rules, rule{when: []condition{fromGroup{*s.gid}}, why: "APPMESH_IGNORE_GID"})
	}
	for _, p := range s.ignoredPorts {
		rules = append(rules, rule{when: []condition{toPorts{p}}, why: "ignored port"})
	}
	for _, p := range s.ignoredIPs {
		if f.has(p.Addr()) {
			rules = append(rules, rule{when: []condition{toPrefix{p}}, why: "ignored address"})
		}
	}
	return append(rules,
		rule{when: []condition{toLocal{}}, why: "containers of one pod talk to each other directly"},
		rule{redirect: s.egressPort, why: "the rest leaves through Envoy"})
}

func ingress(s settings) []rule {
	rules := []rule{
		{when: []condition{notTCP{}}, why: "only TCP is redirected"},
		{when: []condition{fromLocal{}}, why: "it comes from this pod"},
	}
	for _, p := range s.appPorts {
		rules = append(rules, rule{when: []condition{toPorts{p}}, redirect: s.ingressPort, why: "a port of the application"})
	}
	return rules // probes and other ports of the pod arrive as they are
}

// String prints the table as the nft command would take it.
func (r ruleset) String() string {
	if !r.enabled {
		return fmt.Sprintf("# no redirection in table %s %s\n", r.family.keyword, tableName)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s {\n", r.family.keyword, tableName)
	for _, c := range []struct {
		name, hook string
		rules      []rule
	}{{"egress", "output", r.egress}, {"ingress", "prerouting", r.ingress}} {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype nat hook %s priority dstnat;\n", c.name, c.hook)
		for _, rule := range c.rules {
			fmt.Fprintf(&b, "\t\t%s # %s\n", rule, rule.why)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (r rule) String() string {
	var words []string
	if r.redirect != 0 && !r.namesTCP() {
		words = append(words, "meta l4proto tcp") // nft redirects to a port only where it knows the protocol
	}
	for _, c := range r.when {
		words = append(words, c.String())
	}
	if r.redirect == 0 {
		return strings.Join(append(words, "return"), " ")
	}
	return strings.Join(append(words, fmt.Sprintf("redirect to :%d", r.redirect)), " ")
}

func (r rule) namesTCP() bool {
	for _, c := range r.when {
		if _, ok := c.(toPorts); ok {
			return true
		}
	}
	return false
}
