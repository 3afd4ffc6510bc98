// Package podnet makes network namespaces for tests: a pod, a machine outside, a wire between them, servers that say what
// they were dialled as, and connections by any user. They need root, and go with the test.
package podnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Ends are the addresses in the test: two ends of a wire, of which the outer one has a second address that is ignored.
type Ends struct {
	Network                         string
	Pod, Outside, Ignored, Loopback string
}

// The two families.
var (
	IPv4 = Ends{Network: "tcp4", Pod: "10.217.0.1", Outside: "10.217.0.2", Ignored: "10.217.0.3", Loopback: "127.0.0.1"}
	IPv6 = Ends{Network: "tcp6", Pod: "fd17::1", Outside: "fd17::2", Ignored: "fd17::3", Loopback: "::1"}
)

// In runs fn on a thread of its own that has entered the namespace; the thread ends with it.
func In(t *testing.T, ns netns.NsHandle, fn func()) {
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

// New makes a network namespace that lives as long as the test: it has no name, only this handle.
func New(t *testing.T) netns.NsHandle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root: run this test as root, or in a container with NET_ADMIN and SYS_ADMIN")
	}
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

// Connect lays a wire between the two and gives both ends addresses.
func Connect(t *testing.T, pod, outside netns.NsHandle) {
	t.Helper()
	handle, err := netlink.NewHandleAt(pod)
	must(t, err)
	defer handle.Close()
	must(t, handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(outside)}))
	for ns, addresses := range map[netns.NsHandle][]string{
		pod: {IPv4.Pod + "/24", IPv6.Pod + "/64"}, outside: {IPv4.Outside + "/24", IPv4.Ignored + "/24", IPv6.Outside + "/64", IPv6.Ignored + "/64"},
	} {
		h, err := netlink.NewHandleAt(ns)
		must(t, err)
		defer h.Close()
		for _, name := range []string{"lo", "eth0"} {
			link, err := h.LinkByName(name)
			must(t, err)
			must(t, h.LinkSetUp(link))
			for _, a := range addresses {
				if name == "eth0" {
					addr, err := netlink.ParseAddr(a)
					must(t, err)
					addr.Flags = unix.IFA_F_NODAD // usable at once
					must(t, h.AddrAdd(link, addr))
				}
			}
		}
	}
}

// Serve answers every connection to the port with the port and the destination before any redirection.
func Serve(t *testing.T, ns netns.NsHandle, e Ends, ip string, port int) {
	t.Helper()
	host := ip
	if ip == e.Pod {
		host = "" // the application and Envoy listen on loopback, too
	}
	var listener net.Listener
	In(t, ns, func() {
		var err error
		if listener, err = net.Listen(e.Network, net.JoinHostPort(host, fmt.Sprint(port))); err != nil {
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
			fmt.Fprintf(conn, "%d for %s", port, originalDestination(conn, e))
			conn.Close()
		}
	}()
}

// originalDestination is what Envoy's original_dst listener filter reads.
func originalDestination(conn net.Conn, e Ends) string {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err.Error()
	}
	destination := conn.LocalAddr().String()
	_ = raw.Control(func(fd uintptr) {
		if e == IPv6 {
			// The option has the layout of sockaddr_in6, which this structure begins with.
			if info, err := unix.GetsockoptIPv6MTUInfo(int(fd), unix.SOL_IPV6, unix.SO_ORIGINAL_DST); err == nil {
				port := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, info.Addr.Port))
				destination = net.JoinHostPort(net.IP(info.Addr.Addr[:]).String(), fmt.Sprint(port))
			}
			return
		}
		// The option has the layout of sockaddr_in, which fits into this structure.
		req, err := unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, unix.SO_ORIGINAL_DST)
		if err != nil {
			return // not redirected
		}
		a := req.Multiaddr
		destination = fmt.Sprintf("%s:%d", net.IP(a[4:8]), binary.BigEndian.Uint16(a[2:4]))
	})
	return destination
}

// Dial is one connection and the port that has to take it; 0 means the one that was dialled.
type Dial struct {
	Host     string
	To, Want int
	// Outside says that the machine outside dials.
	Outside  bool
	UID, GID int
}

// From opens the connection as the user and returns what the server says: its port, and who the client wanted.
func (d Dial) From(t *testing.T, from netns.NsHandle, e Ends) (answer string, err error) {
	In(t, from, func() {
		// Of this thread only: the kernel remembers the user that a socket was made by.
		if err = errors.Join(unix.Setfsgid(d.GID), unix.Setfsuid(d.UID)); err != nil {
			return
		}
		defer func() { err = errors.Join(err, unix.Setfsuid(0), unix.Setfsgid(0)) }()
		var conn net.Conn
		conn, err = net.DialTimeout(e.Network, net.JoinHostPort(d.Host, fmt.Sprint(d.To)), 3*time.Second)
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
