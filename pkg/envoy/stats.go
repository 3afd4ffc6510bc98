package envoy

import (
	"context"
	"fmt"
	"io"
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

	mu        sync.Mutex
	processes map[string]process
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
		port: sluice.StatsPort, now: time.Now, processes: map[string]process{},
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

func (s *Stats) process(uid string, at time.Time, uptime time.Duration) process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.processes[uid].next(at, uptime)
	s.processes[uid] = p
	return p
}

// keep forgets all pods but these.
func (s *Stats) keep(uids map[string]Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid := range s.processes {
		if _, ok := uids[uid]; !ok {
			delete(s.processes, uid)
		}
	}
}
