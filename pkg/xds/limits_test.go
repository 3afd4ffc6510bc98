package xds

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestPoolsOverflow fills a sidecar's pool to its application, and a gateway's to a cluster: what fits waits, what does
// not gets 503 at once.
func TestPoolsOverflow(t *testing.T) {
	for name, c := range map[string]struct {
		proxy, cluster, path string
		port                 uint32
		// held are the requests that get through or wait.
		held int
	}{
		"a sidecar's connections and queue": {proxy: "VirtualNode/demo/web", cluster: "cds_ingress_m_web_demo_http_8080", path: "/", port: 8080, held: 2},
		"a sidecar's requests by HTTP/2":    {proxy: "VirtualNode/demo/web", cluster: "cds_ingress_m_web_demo_http2_8082", path: "/", port: 8082, held: 1},
		"a gateway's connections and queue": {proxy: "VirtualGateway/demo/edge", cluster: "cds_egress_m_web_demo_http_8081", path: "/web/", port: 8088, held: 2},
	} {
		t.Run(name, func(t *testing.T) {
			m := modelOf(t, "connection-pools")
			app := newPod(t, "app")
			r := resourcesOf(t, m, c.proxy)
			clusterOf(t, r, c.cluster).LoadAssignment = loadAssignment(c.cluster, []mesh.Address{app.Address}, 0)
			for _, e := range r.Endpoints {
				if e.GetClusterName() == c.cluster {
					e.Endpoints = loadAssignment(c.cluster, []mesh.Address{app.Address}, 0).GetEndpoints()
				}
			}
			envoy := start(t, r, c.port)
			app.busy.Lock()
			answers := make(chan string, c.held)
			for i := range c.held {
				go func() { answers <- send(t, envoy.address, call{url: c.path}) }()
				realenvoy.Eventually(t, "the request is on its way", func() bool {
					return envoy.stat("cluster."+c.cluster+".upstream_rq_total")+envoy.stat("cluster."+c.cluster+".upstream_rq_pending_active") == i+1
				})
			}
			if got := send(t, envoy.address, call{url: c.path}); got != "503" {
				t.Errorf("one too many got %q", got)
			}
			app.busy.Unlock()
			for range c.held {
				if got := <-answers; got != "app" {
					t.Errorf("one of those that fit got %q", got)
				}
			}
			if got := send(t, envoy.address, call{url: c.path}); got != "app" {
				t.Errorf("afterwards one got %q", got)
			}
		})
	}
}

// TestPoolsCloseConnections holds that a TCP pool takes one connection and closes the next.
func TestPoolsCloseConnections(t *testing.T) {
	m := modelOf(t, "connection-pools")
	const cluster = "cds_ingress_m_web_demo_tcp_5432"
	server := echo(t)
	r := resourcesOf(t, m, "VirtualNode/demo/web")
	clusterOf(t, r, cluster).LoadAssignment = loadAssignment(cluster, []mesh.Address{server}, 0)
	envoy := start(t, r, 5432)
	realenvoy.Eventually(t, "the attempt that found the listener is over", func() bool {
		return envoy.stat("cluster."+cluster+".upstream_cx_total") > 0 && envoy.stat("cluster."+cluster+".upstream_cx_active") == 0
	})
	first := dial(t, envoy.address)
	if got := ping(t, first); got != "ping" {
		t.Fatalf("the first connection answers %q", got)
	}
	if got := ping(t, dial(t, envoy.address)); got != "" {
		t.Errorf("the second connection answers %q", got)
	}
	if got := ping(t, first); got != "ping" {
		t.Errorf("the first connection now answers %q", got)
	}
}

// echo serves TCP and sends back what it gets.
func echo(t *testing.T) mesh.Address {
	t.Helper()
	return serveTCP(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// serveTCP serves connections until the test ends.
func serveTCP(t *testing.T, serve func(net.Conn)) mesh.Address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	at := l.Addr().(*net.TCPAddr)
	return mesh.Address{IP: at.IP.String(), Port: uint32(at.Port)}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ping gives what comes back, or nothing if the connection was closed.
func ping(t *testing.T, c net.Conn) string {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if _, err := c.Write([]byte("ping")); err != nil {
		return ""
	}
	n, err := io.ReadFull(c, buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("neither an answer nor an end")
	}
	return string(buf[:n])
}
