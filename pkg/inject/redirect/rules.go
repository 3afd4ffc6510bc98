package redirect

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Table is the name of the table that is ours alone.
const Table = "sluice"

// Names of the chains of the table.
const (
	ChainEgress  = "egress"
	ChainIngress = "ingress"
)

// Ruleset is the content of one table. It is plain data, which package nft writes and String prints.
type Ruleset struct {
	Family Family
	// Enabled is false for a table that has nothing to say, and is to be removed.
	Enabled bool
	// Egress sees the first packet of every connection that a process of the pod opens, Ingress that of every
	// connection that arrives.
	Egress, Ingress []Rule
}

// Family is what the rules of IPv4 and IPv6 differ in. The kernel has a table per family.
type Family struct {
	// Keyword is nft's name of the family.
	Keyword string
	// bits is the length of an address.
	bits int
	// Loopback is where Envoy reaches its own application.
	Loopback netip.Prefix
}

var (
	// IPv4 is in table "ip".
	IPv4 = Family{Keyword: "ip", bits: 32, Loopback: netip.MustParsePrefix("127.0.0.0/8")}
	// IPv6 is in table "ip6".
	IPv6 = Family{Keyword: "ip6", bits: 128, Loopback: netip.MustParsePrefix("::1/128")}
)

// Has says whether the address is of the family.
func (f Family) Has(a netip.Addr) bool { return a.BitLen() == f.bits }

// keyword is nft's name of the family of an address.
func keyword(a netip.Addr) string {
	if IPv4.Has(a) {
		return IPv4.Keyword
	}
	return IPv6.Keyword
}

// Rule is a list of conditions that all have to hold, and what happens then.
type Rule struct {
	When []Condition
	// Redirect is the port that takes the connection; 0 leaves the connection as it is.
	Redirect uint16
	// Why is printed beside the rule.
	Why string
}

// Condition is one of the types below.
type Condition interface{ fmt.Stringer }

type (
	// NotTCP holds for every other protocol.
	NotTCP struct{}
	// FromUser holds for sockets that this user opened.
	FromUser struct{ UID uint32 }
	// FromGroup holds for sockets that this group opened.
	FromGroup struct{ GID uint32 }
	// ToPorts holds for a range of destination ports.
	ToPorts struct{ PortRange }
	// ToPrefix holds for destinations inside.
	ToPrefix struct{ netip.Prefix }
	// NotToPrefix holds for destinations outside.
	NotToPrefix struct{ netip.Prefix }
	// ToLocal holds for destinations that are addresses of this network namespace.
	ToLocal struct{}
	// FromLocal holds for sources that are.
	FromLocal struct{}
)

func (NotTCP) String() string        { return "meta l4proto != tcp" }
func (c FromUser) String() string    { return fmt.Sprintf("meta skuid %d", c.UID) }
func (c FromGroup) String() string   { return fmt.Sprintf("meta skgid %d", c.GID) }
func (c ToPorts) String() string     { return "tcp dport " + c.PortRange.String() }
func (c ToPrefix) String() string    { return keyword(c.Addr()) + " daddr " + c.Prefix.String() }
func (c NotToPrefix) String() string { return keyword(c.Addr()) + " daddr != " + c.Prefix.String() }
func (ToLocal) String() string       { return "fib daddr type local" }
func (FromLocal) String() string     { return "fib saddr type local" }

// Rulesets says which connections go to Envoy, for both families: a table that has nothing to say is removed. The first
// rule that holds decides.
func (s Settings) Rulesets() []Ruleset {
	return []Ruleset{s.ruleset(IPv4, s.enabled), s.ruleset(IPv6, s.enabled && s.ipv6)}
}

func (s Settings) ruleset(f Family, enabled bool) Ruleset {
	if !enabled {
		return Ruleset{Family: f}
	}
	return Ruleset{Family: f, Enabled: true, Egress: s.egress(f), Ingress: s.ingress()}
}

func (s Settings) egress(f Family) []Rule {
	rules := []Rule{
		{When: []Condition{NotTCP{}}, Why: "DNS and everything else that is not TCP"},
		{When: []Condition{ToPrefix{f.Loopback}, ToPorts{PortRange{sluice.ProofPort, sluice.ProofPort}}}, Redirect: sluice.ProofListener, Why: "the proof that the table is there"},
	}
	for _, p := range s.appPorts {
		rules = append(rules, Rule{
			When:     []Condition{FromUser{s.uid}, NotToPrefix{f.Loopback}, ToLocal{}, ToPorts{p}},
			Redirect: s.ingressPort,
			Why:      "a virtual node that is its own backend: Envoy dials the pod and has to pass its own ingress",
		})
	}
	rules = append(rules, Rule{When: []Condition{FromUser{s.uid}}, Why: "what Envoy sends out was redirected before"})
	if s.gid != nil {
		rules = append(rules, Rule{When: []Condition{FromGroup{*s.gid}}, Why: "APPMESH_IGNORE_GID"})
	}
	for _, p := range s.ignoredPorts {
		rules = append(rules, Rule{When: []Condition{ToPorts{p}}, Why: "ignored port"})
	}
	for _, p := range s.ignoredIPs {
		if f.Has(p.Addr()) {
			rules = append(rules, Rule{When: []Condition{ToPrefix{p}}, Why: "ignored address"})
		}
	}
	return append(rules,
		Rule{When: []Condition{ToLocal{}}, Why: "containers of one pod talk to each other directly"},
		Rule{Redirect: s.egressPort, Why: "the rest leaves through Envoy"})
}

func (s Settings) ingress() []Rule {
	rules := []Rule{
		{When: []Condition{NotTCP{}}, Why: "only TCP is redirected"},
		{When: []Condition{FromLocal{}}, Why: "it comes from this pod"},
	}
	for _, p := range s.appPorts {
		rules = append(rules, Rule{When: []Condition{ToPorts{p}}, Redirect: s.ingressPort, Why: "a port of the application"})
	}
	return rules // probes and other ports of the pod arrive as they are
}

// String prints the table as the nft command would take it.
func (r Ruleset) String() string {
	if !r.Enabled {
		return fmt.Sprintf("# no redirection in table %s %s\n", r.Family.Keyword, Table)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s {\n", r.Family.Keyword, Table)
	for _, c := range []struct {
		name, hook string
		rules      []Rule
	}{{ChainEgress, "output", r.Egress}, {ChainIngress, "prerouting", r.Ingress}} {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype nat hook %s priority dstnat;\n", c.name, c.hook)
		for _, rule := range c.rules {
			fmt.Fprintf(&b, "\t\t%s # %s\n", rule, rule.Why)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (r Rule) String() string {
	var words []string
	if r.Redirect != 0 && !r.namesTCP() {
		words = append(words, "meta l4proto tcp") // nft redirects to a port only where it knows the protocol
	}
	for _, c := range r.When {
		words = append(words, c.String())
	}
	if r.Redirect == 0 {
		return strings.Join(append(words, "return"), " ")
	}
	return strings.Join(append(words, fmt.Sprintf("redirect to :%d", r.Redirect)), " ")
}

func (r Rule) namesTCP() bool {
	for _, c := range r.When {
		if _, ok := c.(ToPorts); ok {
			return true
		}
	}
	return false
}
