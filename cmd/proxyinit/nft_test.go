package main

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// TestRedirection opens real connections in network namespaces of its own: a pod with an application, with ports that
// stand for Envoy, and a machine outside.
func TestRedirection(t *testing.T) {
	pod, outside := newNamespace(t), newNamespace(t)
	connect(t, pod, outside)
	for _, e := range []ends{ends4, ends6} {
		for _, port := range []int{15000, 15001, 8080, 9090} {
			serve(t, pod, e, e.pod, port)
		}
		for _, port := range []int{80, 22, 3306, 8080} {
			serve(t, outside, e, e.outside, port)
			serve(t, outside, e, e.ignored, port)
		}
	}
	s, err := readSettings(environment("APPMESH_APP_PORTS", "8080", "APPMESH_IGNORE_GID", "4242", "APPMESH_ENABLE_IPV6", "1",
		"APPMESH_EGRESS_IGNORED_IP", ends4.ignored+","+ends6.ignored, "APPMESH_EGRESS_IGNORED_PORTS", "3306"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(redirected4, redirected6 bool) {
		t.Helper()
		checkDials(t, pod, outside, ends4, redirected4)
		checkDials(t, pod, outside, ends6, redirected6)
	}
	check(false, false)
	apply(t, pod, build(s))
	check(true, true)
	before := countRules(t, pod)
	apply(t, pod, build(s)) // init containers may run again
	check(true, true)
	if after := countRules(t, pod); after != before || before == 0 {
		t.Errorf("the second run left %d rules, the first %d", after, before)
	}
	s.ipv6 = false
	apply(t, pod, build(s))
	check(true, false)
	s.enabled = false
	apply(t, pod, build(s))
	check(false, false)
}

func apply(t *testing.T, ns netns.NsHandle, tables []ruleset) {
	t.Helper()
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns)))
	must(t, err)
	for _, r := range tables {
		must(t, installOn(conn, r))
	}
}

func checkDials(t *testing.T, pod, outside netns.NsHandle, e ends, redirected bool) {
	t.Helper()
	for name, d := range dials(e) {
		from := pod
		if d.outside {
			from = outside
		}
		want := d.to
		if redirected && d.want != 0 {
			want = d.want
		}
		if got, err := d.dial(t, from, e); err != nil || got != fmt.Sprintf("%d for %s", want, net.JoinHostPort(d.host, fmt.Sprint(d.to))) {
			t.Errorf("%s, %s: got %q %v, want port %d", e.network, name, got, err, want)
		}
	}
}

// dialled is one connection and the port that has to take it; 0 means the one that was dialled.
type dialled struct {
	host     string
	to, want int
	outside  bool
	uid, gid int
}

func dials(e ends) map[string]dialled {
	return map[string]dialled{
		"incoming to a port of the application":                {host: e.pod, to: 8080, want: 15000, outside: true},
		"incoming to another port":                             {host: e.pod, to: 9090, outside: true},
		"outgoing":                                             {host: e.outside, to: 80, want: 15001},
		"outgoing to a port that the application has, too":     {host: e.outside, to: 8080, want: 15001},
		"outgoing to an ignored port":                          {host: e.outside, to: 3306},
		"outgoing to ssh":                                      {host: e.outside, to: 22},
		"outgoing to an ignored address":                       {host: e.ignored, to: 80},
		"outgoing from Envoy":                                  {host: e.outside, to: 80, uid: 1337},
		"outgoing from the ignored group":                      {host: e.outside, to: 80, gid: 4242},
		"from the application to its own pod":                  {host: e.pod, to: 8080},
		"from the application to loopback":                     {host: e.loopback, to: 9090},
		"from Envoy to its own application":                    {host: e.loopback, to: 8080, uid: 1337},
		"from Envoy to its own pod, as its own backend":        {host: e.pod, to: 8080, want: 15000, uid: 1337},
		"from Envoy to another port of its own pod":            {host: e.pod, to: 9090, uid: 1337},
		"from an ordinary user, who is not the proxy, outside": {host: e.outside, to: 80, want: 15001, uid: 1000},
	}
}

// dial opens the connection as the user and returns what the server says: its port, and who the client wanted.
func (d dialled) dial(t *testing.T, from netns.NsHandle, e ends) (answer string, err error) {
	inNamespace(t, from, func() {
		// Of this thread only: the kernel remembers the user that a socket was made by.
		unix.Setfsgid(d.gid)
		unix.Setfsuid(d.uid)
		defer func() { unix.Setfsuid(0); unix.Setfsgid(0) }()
		var conn net.Conn
		conn, err = net.DialTimeout(e.network, net.JoinHostPort(d.host, fmt.Sprint(d.to)), 3*time.Second)
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
