package envoy

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// maxStats bounds an answer of the stats page; one of a few ingress clusters has some kilobytes.
const maxStats = 4 << 20

// forgetAfter is how long the Envoy of a pod is remembered after its last answer; a pod under analysis answers every second.
const forgetAfter = time.Hour

// Target is a pod whose Envoy is read.
type Target struct {
	Namespace, Name, UID string
	// IP is the pod's address.
	IP string
}

// Stats reads the counters of pods' Envoys. Its zero value is not usable; see NewStats.
type Stats struct {
	client *http.Client
	port   int
	now    func() time.Time

	mu       sync.Mutex
	followed map[string]followed // by the pod's uid
}

// followed is the Envoy process of a pod, and when it answered last.
type followed struct {
	process process
	read    time.Time
}

// NewStats returns a reader that keeps one connection per pod.
func NewStats() *Stats {
	return &Stats{
		client: &http.Client{Transport: &http.Transport{
			// No proxy from the environment: pods are reached directly or not at all.
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true,
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		}},
		port: sluice.StatsPort, now: time.Now, followed: map[string]followed{},
	}
}

// Read takes one sample. An error means that nothing is known about the pod; it never means that it had no traffic.
func (s *Stats) Read(ctx context.Context, target Target) (gate.Sample, error) {
	body, err := s.fetch(ctx, target)
	if err != nil {
		return gate.Sample{}, fmt.Errorf("read Envoy of pod %s/%s: %w", target.Namespace, target.Name, err)
	}
	r, err := parseStats(body)
	if err != nil {
		return gate.Sample{}, fmt.Errorf("read Envoy of pod %s/%s: %w", target.Namespace, target.Name, err)
	}
	at := s.now()
	p := s.process(target.UID, at, r.uptime)
	return gate.Sample{Pod: target.UID, Epoch: p.epoch(), Started: p.since(), At: at, Counters: r.counters}, nil
}

func (s *Stats) fetch(ctx context.Context, target Target) ([]byte, error) {
	url := "http://" + net.JoinHostPort(target.IP, strconv.Itoa(s.port)) + "/stats?" + statsQuery
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStats))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("stats page answered %s", resp.Status)
	}
	return body, nil
}

// process follows the Envoy of a pod from answer to answer. A pod that is new here makes room: the ones that nobody
// has read for a while are forgotten, so memory follows the pods under analysis and not all that ever were.
func (s *Stats) process(uid string, at time.Time, uptime time.Duration) process {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, known := s.followed[uid]
	if !known {
		maps.DeleteFunc(s.followed, func(_ string, old followed) bool { return at.Sub(old.read) > forgetAfter })
	}
	f = followed{process: f.process.next(at, uptime), read: at}
	s.followed[uid] = f
	return f.process
}
