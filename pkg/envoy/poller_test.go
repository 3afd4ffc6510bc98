package envoy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
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

func TestPollerFollowsItsTargets(t *testing.T) {
	var asked atomic.Int64
	stats := statsServer(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"stats":[{"name":"cluster.cds_ingress_m_web_http_80.upstream_rq_completed","value":%d}]}`, asked.Add(1))
	})
	ticks := make(chan time.Time)
	type result struct {
		target Target
		sample gate.Sample
		err    error
	}
	results := make(chan result, 10)
	p := &Poller{Stats: stats, ticks: ticks, Sampled: func(t Target, s gate.Sample, err error) { results <- result{t, s, err} }}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })

	p.Watch([]Target{{Name: "a", UID: "a", IP: "127.0.0.1"}})
	ticks <- time.Now()
	if r := <-results; r.err != nil || r.target.Name != "a" || r.sample.Requests != 1 || r.sample.Pod != "a" || r.sample.Epoch == "" {
		t.Errorf("first sample: %+v", r)
	}
	// A second tick may come while the first reading is being cleaned up; it is then skipped, so ask until it is answered.
	p.Watch([]Target{{Name: "b", UID: "b", IP: "127.0.0.1"}, {Name: "c", UID: "c", IP: "no such address"}})
	ticks <- time.Now()
	seen := map[string]error{}
	for range 2 {
		r := <-results
		seen[r.target.Name] = r.err
	}
	if err, ok := seen["b"]; !ok || err != nil {
		t.Errorf("pod b: %v", seen)
	}
	if err := seen["c"]; err == nil || !strings.Contains(err.Error(), "read Envoy of pod /c") {
		t.Errorf("pod c: %v", err)
	}
	p.Watch(nil)
	ticks <- time.Now()
	cancel()
	running.Wait()
	if len(results) != 0 {
		t.Errorf("a pod was read that nobody watches: %+v", <-results)
	}
}

func TestASlowPodIsReadOnceAtATime(t *testing.T) {
	var atOnce, most atomic.Int64
	release := make(chan struct{})
	arrived := make(chan struct{}, 1)
	stats := statsServer(t, func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), atOnce.Add(1)))
		defer atOnce.Add(-1)
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-release
		io.WriteString(w, `{}`)
	})
	ticks := make(chan time.Time)
	done := make(chan struct{}, 10)
	p := &Poller{Stats: stats, Timeout: time.Minute, ticks: ticks, Sampled: func(Target, gate.Sample, error) { done <- struct{}{} }}
	p.Watch([]Target{{Name: "a", UID: "a", IP: "127.0.0.1"}})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	ticks <- time.Now()
	<-arrived
	for range 5 {
		ticks <- time.Now()
	}
	close(release)
	<-done
	cancel()
	running.Wait()
	if most.Load() != 1 {
		t.Errorf("%d readings at once", most.Load())
	}
}
