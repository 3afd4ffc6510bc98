package xds

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// recorder is an application that remembers what it was asked.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// record serves an application that answers with its name and a cookie of its own.
func record(t *testing.T, name string) (*recorder, mesh.Address) {
	t.Helper()
	r := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.seen = append(r.seen, strings.Join([]string{q.Method, q.URL.Path, q.Host, string(body)}, " "))
		r.mu.Unlock()
		w.Header().Set("Set-Cookie", "own="+name)
		if strings.HasSuffix(q.URL.Path, "/fail") && name == "v2" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(server.Close)
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	return r, mesh.Address{IP: at.Addr().String(), Port: uint32(at.Port())}
}

// additions runs front's port, or the gateway's, of the case in a real Envoy with recorders behind it.
func additions(t *testing.T, proxy string, port uint32) (*running, map[string]*recorder) {
	t.Helper()
	m := modelOf(t, "mirror-and-cookies")
	recorders := map[string]*recorder{}
	for i, e := range m.Endpoints {
		name := strings.Split(e.Cluster, "_")[3]
		r, at := record(t, name)
		recorders[name], m.Endpoints[i].Addresses = r, []mesh.Address{at}
	}
	return start(t, resourcesOf(t, m, proxy), port), recorders
}

// post sends a request with a cookie, unless it is empty, and gives the status and the cookies of the answer.
func post(t *testing.T, e *running, to, cookie string) (status int, cookies []string) {
	t.Helper()
	host, path, _ := strings.Cut(to, "/")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.address+"/"+path, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Values("Set-Cookie")
}

// TestCopiesAreNotHeard sends requests through a route that copies them: the copy is the request, and its answer is nobody's.
func TestCopiesAreNotHeard(t *testing.T) {
	for proxy, port := range map[string]uint32{"VirtualNode/demo/front": 8080, "VirtualGateway/demo/edge": 8088} {
		t.Run(proxy, func(t *testing.T) {
			envoy, behind := additions(t, proxy, port)
			for range 20 {
				if status, cookies := post(t, envoy, "mirrored.demo/fail", ""); status != http.StatusOK || cookies[0] != "own=v1" {
					t.Errorf("callers get %d with cookies %v", status, cookies)
				}
				post(t, envoy, "mirrored.demo/half", "")
				post(t, envoy, "mirrored.demo/none", "")
			}
			count := func(name, path string) (n int) {
				for _, q := range behind[name].asked() {
					if strings.Contains(q, " "+path+" ") {
						n++
					}
				}
				return n
			}
			realenvoy.Eventually(t, "all copies have come", func() bool { return count("v2", "/fail") == 20 })
			if n := count("v2", "/none"); n != 0 {
				t.Errorf("%d copies of what is not copied", n)
			}
			// One in a million tries has fewer or more.
			if n := count("v2", "/half"); n < 1 || n > 19 {
				t.Errorf("%d copies of half of 20 requests", n)
			}
			if want := behind["v1"].asked()[0]; !slices.Contains(behind["v2"].asked(), want) {
				t.Errorf("the copies of %q are %q", want, behind["v2"].asked())
			}
		})
	}
}

// TestCookiesKeepUsersWhereTheyAre follows the cookies that a shared route sets to the route that they belong to.
func TestCookiesKeepUsersWhereTheyAre(t *testing.T) {
	for proxy, port := range map[string]uint32{"VirtualNode/demo/front": 8080, "VirtualGateway/demo/edge": 8088} {
		t.Run(proxy, func(t *testing.T) {
			envoy, _ := additions(t, proxy, port)
			met := map[string]bool{}
			for range 60 {
				_, cookies := post(t, envoy, "sticky.demo/", "")
				met[cookies[0]] = true
				want := []string{"own=v1"}
				if cookies[0] == "own=v2" {
					want = []string{"own=v2", "user=a1; Max-Age=60; Path=/100%", "seen=v2"}
				}
				if diff := cmp.Diff(want, cookies); diff != "" {
					t.Fatal(diff)
				}
			}
			if len(met) != 2 {
				t.Errorf("half of 60 requests each, and only %v answered", met)
			}
			for _, cookie := range []string{"user=a1", "x=y; user=a1", "user=a1; x=y", "x=y;user=a1;z=1"} {
				for range 20 {
					if _, got := post(t, envoy, "sticky.demo/", cookie); got[0] != "own=v2" {
						t.Fatalf("with cookie %q %s answers", cookie, got)
					}
				}
			}
			stray := map[string]bool{}
			for _, cookie := range []string{"user=a12", "xuser=a1", "x=user=a1"} {
				for range 20 {
					_, got := post(t, envoy, "sticky.demo/", cookie)
					stray[got[0]] = true
				}
			}
			if len(stray) != 2 {
				t.Errorf("other cookies decide, too: %v", stray)
			}
		})
	}
}
