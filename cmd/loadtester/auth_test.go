package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/notify/signature"
)

// guarded is a load tester that asks for signatures, and the certificate that the canary process would have.
func guarded(t *testing.T) (config, *tls.Certificate) {
	t.Helper()
	now := time.Now()
	authority, err := certs.NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	sender := sluice.CanaryService + "." + sluice.SystemNamespace + ".svc"
	pair, err := certs.Issue(authority, certs.Leaf{Hosts: []string{sender}, Client: true}, now)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, authority.Cert, 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	door, err := newDoorkeeper(authRequired, file, sender)
	if err != nil {
		t.Fatal(err)
	}
	return config{timeout: time.Minute, maxTasks: 5, door: door}, &certificate
}

// outside sends a request as if it came from another pod: from an address that is not the loopback's.
func (s *tester) outside(t *testing.T, path, body, header string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(signature.Header, header)
	recorder := &recorder{header: http.Header{}, status: 200}
	r.RemoteAddr, r.RequestURI = "10.1.2.3:40000", path
	s.Config.Handler.ServeHTTP(recorder, r)
	return recorder.status, recorder.text.String()
}

type recorder struct {
	header http.Header
	status int
	text   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return r.text.Write(b) }
func (r *recorder) WriteHeader(status int)      { r.status = status }

func TestWhoMayRunTasks(t *testing.T) {
	cfg, certificate := guarded(t)
	s := testerOf(t, cfg, "")
	const body = `{"name":"a","namespace":"test","metadata":{"type":"bash","cmd":"true"}}`
	signed := func(path, body string) string {
		header, err := signature.Sign(certificate, signature.Request{Path: path, Body: []byte(body)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return header
	}
	for name, c := range map[string]struct {
		path, header string
		status       int
		says         string
	}{
		"the canary process":                  {"/", signed("/", body), 200, ""},
		"somebody without a signature":        {"/", "", 401, "unauthorized: it is not signed; tasks and gates are for the canary process"},
		"a signature of something else":       {"/", signed("/", body+" "), 401, "that of another request"},
		"a signed check does not open a gate": {"/gate/open", signed("/gate/check", body), 401, "that of another request"},
		"the canary process opens a gate":     {"/gate/open", signed("/gate/open", body), 202, ""},
		"everybody may ask about a gate":      {"/gate/check", "", 200, "Approved"},
		"but not close it":                    {"/gate/close", "", 401, "it is not signed"},
		"nor one for rollbacks":               {"/rollback/open", "", 401, "it is not signed"},
	} {
		if c.path == "/gate/check" {
			s.outside(t, "/gate/open", body, signed("/gate/open", body))
		}
		if status, text := s.outside(t, c.path, body, c.header); status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
	// This process is in the pod, as it were.
	if status, text := s.post(t, "/gate/open", body); status != 202 {
		t.Errorf("from inside the pod: %d %q", status, text)
	}
}

// TestTheProxyIsNotInThePod connects over the loopback interface as the user that proxies run as.
func TestTheProxyIsNotInThePod(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	cfg, _ := guarded(t)
	s := testerOf(t, cfg, "")
	ask := func(uid uint32) string {
		_, port, err := net.SplitHostPort(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", "-c", fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/%s
printf 'POST /gate/open HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 31\r\n\r\n{"name":"a","namespace":"test"}' >&3; cat <&3`, port))
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatal(err, string(out))
		}
		return string(out)
	}
	if out := ask(sluice.ProxyUID); !strings.HasPrefix(out, "HTTP/1.1 401") {
		t.Errorf("through the proxy: %s", out)
	}
	if out := ask(65532); !strings.HasPrefix(out, "HTTP/1.1 202") {
		t.Errorf("by exec: %s", out)
	}
}

func TestOwnerOfASocket(t *testing.T) {
	// Lines as the kernel writes them, on a machine whose words begin with the lowest byte.
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532        0 100 1
   1: 0100007F:9C40 0100007F:2382 01 00000000:00000000 00:00000000 00000000  1337        0 101 1
   2: 0000000000000000FFFF00000100007F:9C41 0000000000000000FFFF00000100007F:2382 01 00000000:00000000 00:00000000 00000000     0        0 102 1
`
	server := netip.MustParseAddrPort("127.0.0.1:9090")
	for client, want := range map[string]string{"127.0.0.1:40000": "1337 true", "127.0.0.1:40001": "0 true", "127.0.0.1:40002": "0 false"} {
		uid, found := ownerOf(bufio.NewReader(strings.NewReader(table)), connection{netip.MustParseAddrPort(client), server})
		if got := fmt.Sprint(uid, found); got != want {
			t.Errorf("%s: %s, want %s", client, got, want)
		}
	}
	if _, found := ownerOf(io.LimitReader(strings.NewReader("nonsense"), 8), connection{server, server}); found {
		t.Error("found in nonsense")
	}
}
