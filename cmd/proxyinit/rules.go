package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// tableName is the table that is ours alone.
const tableName = "sluice"

// ruleset is the content of the table. It is plain data, which install writes and String prints; another address
// family would be a second one.
type ruleset struct {
	enabled bool
	// egress sees the first packet of every connection that a process of the pod opens, ingress that of every
	// connection that arrives.
	egress, ingress []rule
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
func (c toPrefix) String() string    { return "ip daddr " + c.Prefix.String() }
func (c notToPrefix) String() string { return "ip daddr != " + c.Prefix.String() }
func (toLocal) String() string       { return "fib daddr type local" }
func (fromLocal) String() string     { return "fib saddr type local" }

// loopback is where Envoy reaches its own application.
var loopback = netip.MustParsePrefix("127.0.0.0/8")

// build says which connections go to Envoy. The first rule that holds decides.
func build(s settings) ruleset {
	if !s.enabled {
		return ruleset{}
	}
	return ruleset{enabled: true, egress: egress(s), ingress: ingress(s)}
}

func egress(s settings) []rule {
	rules := []rule{{when: []condition{notTCP{}}, why: "DNS and everything else that is not TCP"}}
	for _, p := range s.appPorts {
		rules = append(rules, rule{
			when:     []condition{fromUser{s.uid}, notToPrefix{loopback}, toLocal{}, toPorts{p}},
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
		if p.Addr().Is4() {
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
		return "# no redirection\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table ip %s {\n", tableName)
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
