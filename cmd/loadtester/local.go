package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// socketTables are where the kernel lists the TCP sockets of this pod, with the user of each.
var socketTables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// lookups is how often the tables are read for one request: they change while they are read, and an entry can be passed
// over where there are thousands of connections.
const lookups = 3

// fromThisPod tells whether a request was made inside this pod, by somebody other than its proxy: a proxy passes on what
// comes from outside, over the loopback interface too. The kernel knows whose a socket is; when it does not say, the
// request counts as one from outside.
func fromThisPod(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !client.Addr().Unmap().IsLoopback() {
		return false
	}
	server, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return false
	}
	for range lookups {
		for _, path := range socketTables {
			table, err := os.Open(path)
			if err != nil {
				continue
			}
			uid, found := ownerOf(table, connection{client, server})
			_ = table.Close() // it was only read
			if found {
				return uid != sluice.ProxyUID
			}
		}
	}
	return false
}

// connection is one as its client sees it.
type connection struct{ client, server netip.AddrPort }

// ownerOf finds the user of the client's socket in a table of the kernel's.
func ownerOf(table io.Reader, c connection) (uid int, found bool) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid ...
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || !sameAddress(fields[1], c.client) || !sameAddress(fields[2], c.server) {
			continue
		}
		uid, err := strconv.Atoi(fields[7])
		return uid, err == nil
	}
	return 0, false
}

func sameAddress(text string, want netip.AddrPort) bool {
	got, err := parseAddress(text)
	return err == nil && got.Port() == want.Port() && got.Addr().Unmap() == want.Addr().Unmap()
}

// parseAddress reads "0100007F:1F90": words of 32 bits in the order of the machine, and the port.
func parseAddress(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	words, err := hex.DecodeString(address)
	if err != nil || len(words)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	for i := 0; i < len(words); i += 4 {
		binary.NativeEndian.PutUint32(words[i:], binary.BigEndian.Uint32(words[i:]))
	}
	ip, ok := netip.AddrFromSlice(words)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(ip, uint16(n)), err
}
