package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/sluice-mesh/sluice/pkg/inject/redirect"
)

// Offsets and lengths in the headers that the rules read.
const (
	ipv4Destination = 16 // of 4 bytes, in the IPv4 header
	ipv6Destination = 24 // of 16 bytes, in the IPv6 header
	tcpDestination  = 2  // of 2 bytes, in the TCP header
)

// register is the one that conditions load a value into and compare it in.
const register = 1

// install sends one batch, which the kernel applies as a whole or not at all: there is no moment without rules.
func install(conn *nftables.Conn, r redirect.Ruleset) error {
	table := tableOf(r)
	conn.AddTable(table) // so that there is one to delete
	conn.DelTable(table)
	if r.Enabled {
		conn.AddTable(table)
		addChain(conn, table, redirect.ChainEgress, nftables.ChainHookOutput, r.Egress)
		addChain(conn, table, redirect.ChainIngress, nftables.ChainHookPrerouting, r.Ingress)
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("write table %s %s: %w%s", r.Family.Keyword, redirect.Table, err, hint(err))
	}
	return nil
}

func tableOf(r redirect.Ruleset) *nftables.Table {
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: redirect.Table}
	if r.Family == redirect.IPv6 {
		table.Family = nftables.TableFamilyIPv6
	}
	return table
}

func hint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return ": that takes the capability NET_ADMIN"
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return ": the node's kernel lacks nftables with nat, redirect and fib (modules nf_tables, nft_chain_nat, nft_redir, nft_fib_ipv4, nft_fib_ipv6)"
	}
	return ""
}

func addChain(conn *nftables.Conn, table *nftables.Table, name string, hook *nftables.ChainHook, rules []redirect.Rule) {
	chain := conn.AddChain(&nftables.Chain{
		Table: table, Name: name, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: nftables.ChainPriorityNATDest,
	})
	for _, r := range rules {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: expressions(r)})
	}
}

// expressions translates a rule for the kernel: every condition loads a value and compares it, and the rule ends at the
// first that does not hold.
func expressions(r redirect.Rule) []expr.Any {
	var list []expr.Any
	for _, c := range r.When {
		list = append(list, translate(c)...)
	}
	if r.Redirect == 0 {
		return append(list, &expr.Verdict{Kind: expr.VerdictReturn})
	}
	return append(list,
		&expr.Immediate{Register: register, Data: binaryutil.BigEndian.PutUint16(r.Redirect)},
		&expr.Redir{RegisterProtoMin: register, RegisterProtoMax: register, Flags: unix.NF_NAT_RANGE_PROTO_SPECIFIED})
}

func translate(c redirect.Condition) []expr.Any {
	switch c := c.(type) {
	case redirect.NotTCP:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, compare(expr.CmpOpNeq, []byte{unix.IPPROTO_TCP})}
	case redirect.FromUser:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeySKUID, Register: register}, compare(expr.CmpOpEq, native(c.UID))}
	case redirect.FromGroup:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeySKGID, Register: register}, compare(expr.CmpOpEq, native(c.GID))}
	case redirect.ToPorts:
		return []expr.Any{
			&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: tcpDestination, Len: 2},
			compare(expr.CmpOpGte, binaryutil.BigEndian.PutUint16(c.First)),
			compare(expr.CmpOpLte, binaryutil.BigEndian.PutUint16(c.Last)),
		}
	case redirect.ToPrefix:
		return destination(expr.CmpOpEq, c.Prefix)
	case redirect.NotToPrefix:
		return destination(expr.CmpOpNeq, c.Prefix)
	case redirect.ToLocal:
		return []expr.Any{&expr.Fib{Register: register, ResultADDRTYPE: true, FlagDADDR: true}, compare(expr.CmpOpEq, native(unix.RTN_LOCAL))}
	case redirect.FromLocal:
		return []expr.Any{&expr.Fib{Register: register, ResultADDRTYPE: true, FlagSADDR: true}, compare(expr.CmpOpEq, native(unix.RTN_LOCAL))}
	}
	panic(fmt.Sprintf("nft: no translation for %T", c)) // a condition was added and not here
}

func destination(op expr.CmpOp, p netip.Prefix) []expr.Any {
	address, offset := p.Addr().AsSlice(), uint32(ipv4Destination)
	if redirect.IPv6.Has(p.Addr()) {
		offset = ipv6Destination
	}
	size := uint32(len(address))
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: size, Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()), Xor: make([]byte, size)},
		compare(op, address),
	}
}

func compare(op expr.CmpOp, data []byte) expr.Any {
	return &expr.Cmp{Op: op, Register: register, Data: data}
}

// native is a number as the kernel keeps it in a register, unlike what it reads from packets.
func native(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
