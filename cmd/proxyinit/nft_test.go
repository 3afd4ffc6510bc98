package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The two ends of the wire in the test.
const (
	podIP     = "10.217.0.1"
	outsideIP = "10.217.0.2"
	ignoredIP = "10.217.0.3" // outside, too
)

// TestRedirection opens real connections in network namespaces of its own: a pod with an application, with ports that
// stand for Envoy, and a machine outside.
func TestRedirection(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root: run this test as root, or in a container with NET_ADMIN and SYS_ADMIN")
	}
	pod, outside := newNamespace(t), newNamespace(t)
	connect(t, pod, outside)
	for _, port := range []int{15000, 15001, 8080, 9090} {
		serve(t, pod, podIP, port)
	}
	for _, port := range []int{80, 22, 3306, 8080} {
		serve(t, outside, outsideIP, port)
		serve(t, outside, ignoredIP, port)
	}
	s, err := readSettings(environment("APPMESH_APP_PORTS", "8080", "APPMESH_IGNORE_GID", "4242",
		"APPMESH_EGRESS_IGNORED_IP", ignoredIP, "APPMESH_EGRESS_IGNORED_PORTS", "3306"))
	if err != nil {
		t.Fatal(err)
	}
	apply := func(r ruleset) {
		t.Helper()
		conn, err := nftables.New(nftables.WithNetNSFd(int(pod)))
		if err != nil {
			t.Fatal(err)
		}
		if err := installOn(conn, r); err != nil {
			t.Fatal(err)
		}
	}
	check := func(redirected bool) {
		t.Helper()
		for name, d := range dials() {
			from := pod
			if d.outside {
				from = outside
			}
			want := d.to
			if redirected && d.want != 0 {
				want = d.want
			}
			if got, err := d.dial(t, from); err != nil || got != fmt.Sprintf("%d for %s:%d", want, d.host, d.to) {
				t.Errorf("%s: got %q %v, want port %d", name, got, err, want)
			}
		}
	}
	check(false)
	apply(build(s))
	check(true)
	before := countRules(t, pod)
	apply(build(s)) // init containers may run again
	check(true)
	if after := countRules(t, pod); after != before || before == 0 {
		t.Errorf("the second run left %d rules, the first %d", after, before)
	}
	apply(ruleset{})
	check(false)
}

// dialled is one connection and the port that has to take it; 0 means the one that was dialled.
type dialled struct {
	host     string
	to, want int
	outside  bool
	uid, gid int
}

func dials() map[string]dialled {
	return map[string]dialled{
		"incoming to a port of the application":                {host: podIP, to: 8080, want: 15000, outside: true},
		"incoming to another port":                             {host: podIP, to: 9090, outside: true},
		"outgoing":                                             {host: outsideIP, to: 80, want: 15001},
		"outgoing to a port that the application has, too":     {host: outsideIP, to: 8080, want: 15001},
		"outgoing to an ignored port":                          {host: outsideIP, to: 3306},
		"outgoing to ssh":                                      {host: outsideIP, to: 22},
		"outgoing to an ignored address":                       {host: ignoredIP, to: 80},
		"outgoing from Envoy":                                  {host: outsideIP, to: 80, uid: 1337},
		"outgoing from the ignored group":                      {host: outsideIP, to: 80, gid: 4242},
		"from the application to its own pod":                  {host: podIP, to: 8080},
		"from the application to loopback":                     {host: "127.0.0.1", to: 9090},
		"from Envoy to its own application":                    {host: "127.0.0.1", to: 8080, uid: 1337},
		"from Envoy to its own pod, as its own backend":        {host: podIP, to: 8080, want: 15000, uid: 1337},
		"from Envoy to another port of its own pod":            {host: podIP, to: 9090, uid: 1337},
		"from an ordinary user, who is not the proxy, outside": {host: outsideIP, to: 80, want: 15001, uid: 1000},
	}
}

// dial opens the connection as the user and returns what the server says: its port, and who the client wanted.
func (d dialled) dial(t *testing.T, from netns.NsHandle) (answer string, err error) {
	inNamespace(t, from, func() {
		// Of this thread only: the kernel remembers the user that a socket was made by.
		unix.Setfsgid(d.gid)
		unix.Setfsuid(d.uid)
		defer func() { unix.Setfsuid(0); unix.Setfsgid(0) }()
		var conn net.Conn
		conn, err = net.DialTimeout("tcp4", net.JoinHostPort(d.host, fmt.Sprint(d.to)), 3*time.Second)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
		var text []byte
		text, err = io.ReadAll(conn)
		answer = string(text)
	})
	return answer, err
}

// inNamespace runs fn on a thread of its own that has entered the namespace; the thread ends with it.
func inNamespace(t *testing.T, ns netns.NsHandle, fn func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread must not be used for anything else
		err := netns.Set(ns)
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("enter a network namespace: %v", err)
	}
}

// newNamespace makes a network namespace that lives as long as the test: it has no name, only this handle.
func newNamespace(t *testing.T) netns.NsHandle {
	t.Helper()
	result := make(chan any, 1)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.New()
		if err != nil {
			result <- err
			return
		}
		result <- ns
	}()
	switch r := (<-result).(type) {
	case netns.NsHandle:
		t.Cleanup(func() { r.Close() })
		return r
	case error:
		t.Skipf("this machine lets nobody make a network namespace: %v", r)
	}
	return netns.None()
}

// connect lays a wire between the two and gives both ends addresses.
func connect(t *testing.T, pod, outside netns.NsHandle) {
	t.Helper()
	handle, err := netlink.NewHandleAt(pod)
	must(t, err)
	defer handle.Close()
	must(t, handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(outside)}))
	for ns, addresses := range map[netns.NsHandle][]string{pod: {podIP}, outside: {outsideIP, ignoredIP}} {
		h, err := netlink.NewHandleAt(ns)
		must(t, err)
		defer h.Close()
		for _, name := range []string{"lo", "eth0"} {
			link, err := h.LinkByName(name)
			must(t, err)
			must(t, h.LinkSetUp(link))
			for _, a := range addresses {
				if name == "eth0" {
					addr, err := netlink.ParseAddr(a + "/24")
					must(t, err)
					must(t, h.AddrAdd(link, addr))
				}
			}
		}
	}
}

// serve answers every connection to the port with the port and the destination before any redirection.
func serve(t *testing.T, ns netns.NsHandle, ip string, port int) {
	t.Helper()
	host := ip
	if ip == podIP {
		host = "0.0.0.0" // the application and Envoy listen on loopback, too
	}
	var listener net.Listener
	inNamespace(t, ns, func() {
		var err error
		if listener, err = net.Listen("tcp4", net.JoinHostPort(host, fmt.Sprint(port))); err != nil {
			t.Errorf("listen: %v", err)
		}
	})
	if listener == nil {
		t.FailNow()
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(conn, "%d for %s", port, originalDestination(conn))
			conn.Close()
		}
	}()
}

// originalDestination is what Envoy's original_dst listener filter reads.
func originalDestination(conn net.Conn) string {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err.Error()
	}
	destination := conn.LocalAddr().String()
	_ = raw.Control(func(fd uintptr) {
		// The option has the layout of sockaddr_in, which fits into this structure.
		req, err := unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, unix.SO_ORIGINAL_DST)
		if err != nil {
			return // not redirected
		}
		a := req.Multiaddr
		destination = fmt.Sprintf("%s:%d", net.IP(a[4:8]), binary.BigEndian.Uint16(a[2:4]))
	})
	return strings.TrimSpace(destination)
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
