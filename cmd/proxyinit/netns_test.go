package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ends are the addresses in the test: two ends of a wire, of which the outer one has a second address that is ignored.
type ends struct {
	network                         string
	pod, outside, ignored, loopback string
}

var (
	ends4 = ends{network: "tcp4", pod: "10.217.0.1", outside: "10.217.0.2", ignored: "10.217.0.3", loopback: "127.0.0.1"}
	ends6 = ends{network: "tcp6", pod: "fd17::1", outside: "fd17::2", ignored: "fd17::3", loopback: "::1"}
)

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

// connect lays a wire between the two and gives both ends addresses.
func connect(t *testing.T, pod, outside netns.NsHandle) {
	t.Helper()
	handle, err := netlink.NewHandleAt(pod)
	must(t, err)
	defer handle.Close()
	must(t, handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(outside)}))
	for ns, addresses := range map[netns.NsHandle][]string{
		pod: {ends4.pod + "/24", ends6.pod + "/64"}, outside: {ends4.outside + "/24", ends4.ignored + "/24", ends6.outside + "/64", ends6.ignored + "/64"},
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

// serve answers every connection to the port with the port and the destination before any redirection.
func serve(t *testing.T, ns netns.NsHandle, e ends, ip string, port int) {
	t.Helper()
	host := ip
	if ip == e.pod {
		host = "" // the application and Envoy listen on loopback, too
	}
	var listener net.Listener
	inNamespace(t, ns, func() {
		var err error
		if listener, err = net.Listen(e.network, net.JoinHostPort(host, fmt.Sprint(port))); err != nil {
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
func originalDestination(conn net.Conn, e ends) string {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err.Error()
	}
	destination := conn.LocalAddr().String()
	_ = raw.Control(func(fd uintptr) {
		if e == ends6 {
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
