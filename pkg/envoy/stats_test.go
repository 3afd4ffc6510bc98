package envoy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/pkg/gate"
)

// statsServer answers as the stats page of a pod's Envoy.
func statsServer(t *testing.T, handler http.HandlerFunc) *Stats {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	stats := NewStats()
	stats.port, _ = strconv.Atoi(port)
	return stats
}

func TestAPodThatCannotBeReadIsAnError(t *testing.T) {
	stats := statsServer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	_, err := stats.Read(context.Background(), Target{Namespace: "demo", Name: "web-1", UID: "u", IP: "127.0.0.1"})
	if err == nil || err.Error() != "read Envoy of pod demo/web-1: stats page answered 403 Forbidden" {
		t.Errorf("got %v", err)
	}
}

func TestStatsFollowAPodAndForgetIt(t *testing.T) {
	var asked atomic.Int64
	stats := statsServer(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"stats":[{"name":"cluster.cds_ingress_m_web_http_80.upstream_rq_completed","value":%d}]}`, asked.Add(1))
	})
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	stats.now = func() time.Time { return now }
	read := func(uid string) gate.Sample {
		t.Helper()
		s, err := stats.Read(context.Background(), Target{Name: uid, UID: uid, IP: "127.0.0.1"})
		if err != nil || s.Pod != uid || s.Requests != uint64(asked.Load()) || s.Epoch == "" {
			t.Fatalf("sample of %s: %+v, %v", uid, s, err)
		}
		return s
	}
	first := read("a")
	now = now.Add(forgetAfter)
	read("b")
	if again := read("a"); again.Epoch != first.Epoch {
		t.Errorf("the same process has epoch %s, then %s", first.Epoch, again.Epoch)
	}
	now = now.Add(forgetAfter + time.Second)
	read("c")
	if _, ok := stats.followed["c"]; !ok || len(stats.followed) != 1 {
		t.Errorf("it follows %d pods, want c alone: nobody has read the others for more than %s", len(stats.followed), forgetAfter)
	}
}
