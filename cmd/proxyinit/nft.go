package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Offsets and lengths in the headers that the rules read.
const (
	ipv4Destination = 16 // of four bytes, in the IPv4 header
	tcpDestination  = 2  // of two bytes, in the TCP header
)

// register is the one that conditions load a value into and compare it in.
const register = 1

// install replaces the table in the network namespace of this process.
func install(r ruleset) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("connect to nftables: %w", err)
	}
	return installOn(conn, r)
}

// installOn sends one batch, which the kernel applies as a whole or not at all: there is no moment without rules.
func installOn(conn *nftables.Conn, r ruleset) error {
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: tableName}
	conn.AddTable(table) // so that there is one to delete
	conn.DelTable(table)
	if r.enabled {
		conn.AddTable(table)
		addChain(conn, table, "egress", nftables.ChainHookOutput, r.egress)
		addChain(conn, table, "ingress", nftables.ChainHookPrerouting, r.ingress)
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("write table %s: %w%s", tableName, err, hint(err))
	}
	return nil
}

func hint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return ": the container needs the capability NET_ADMIN"
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return ": the node's kernel lacks nftables with nat, redirect and fib (modules nf_tables, nft_chain_nat, nft_redir, nft_fib_ipv4)"
	}
	return ""
}

func addChain(conn *nftables.Conn, table *nftables.Table, name string, hook *nftables.ChainHook, rules []rule) {
	chain := conn.AddChain(&nftables.Chain{
		Table: table, Name: name, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: nftables.ChainPriorityNATDest,
	})
	for _, r := range rules {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: expressions(r)})
	}
}

// expressions translates a rule for the kernel: every condition loads a value and compares it, and the rule ends at the
// first that does not hold.
func expressions(r rule) []expr.Any {
	var list []expr.Any
	for _, c := range r.when {
		list = append(list, translate(c)...)
	}
	if r.redirect == 0 {
		return append(list, &expr.Verdict{Kind: expr.VerdictReturn})
	}
	return append(list,
		&expr.Immediate{Register: register, Data: binaryutil.BigEndian.PutUint16(r.redirect)},
		&expr.Redir{RegisterProtoMin: register, RegisterProtoMax: register, Flags: unix.NF_NAT_RANGE_PROTO_SPECIFIED})
}

func translate(c condition) []expr.Any {
	switch c := c.(type) {
	case notTCP:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, compare(expr.CmpOpNeq, []byte{unix.IPPROTO_TCP})}
	case fromUser:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeySKUID, Register: register}, compare(expr.CmpOpEq, native(c.uid))}
	case fromGroup:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeySKGID, Register: register}, compare(expr.CmpOpEq, native(c.gid))}
	case toPorts:
		return []expr.Any{
			&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: tcpDestination, Len: 2},
			compare(expr.CmpOpGte, binaryutil.BigEndian.PutUint16(c.first)),
			compare(expr.CmpOpLte, binaryutil.BigEndian.PutUint16(c.last)),
		}
	case toPrefix:
		return destination(expr.CmpOpEq, c.Addr().AsSlice(), c.Bits())
	case notToPrefix:
		return destination(expr.CmpOpNeq, c.Addr().AsSlice(), c.Bits())
	case toLocal:
		return []expr.Any{&expr.Fib{Register: register, ResultADDRTYPE: true, FlagDADDR: true}, compare(expr.CmpOpEq, native(unix.RTN_LOCAL))}
	case fromLocal:
		return []expr.Any{&expr.Fib{Register: register, ResultADDRTYPE: true, FlagSADDR: true}, compare(expr.CmpOpEq, native(unix.RTN_LOCAL))}
	}
	panic(fmt.Sprintf("proxyinit: no translation for %T", c)) // a condition was added and not here
}

func destination(op expr.CmpOp, address []byte, bits int) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: ipv4Destination, Len: 4},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: net.CIDRMask(bits, 32), Xor: make([]byte, 4)},
		compare(op, address),
	}
}

func compare(op expr.CmpOp, data []byte) expr.Any {
	return &expr.Cmp{Op: op, Register: register, Data: data}
}

// native is a number as the kernel keeps it in a register, unlike what it reads from packets.
func native(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
