package envoy

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// ProxyStatus is one connected proxy as this replica sees it.
type ProxyStatus struct {
	Pod      PodIdentity  `json:"pod"`
	Proxy    mesh.ProxyID `json:"proxy"`
	Protocol string       `json:"protocol"`
	Since    time.Time    `json:"since"`
	// Types is keyed by clusters, endpoints, listeners and routes.
	Types map[string]TypeStatus `json:"types"`
}

// TypeStatus is what one proxy was sent of one type, and what it made of it. Versions are content hashes.
type TypeStatus struct {
	Sent   string    `json:"sent,omitempty"`
	SentAt time.Time `json:"sentAt,omitzero"`
	Acked  string    `json:"acked,omitempty"`
	// Nacked and Error are the last refusal on this stream; they stay until the type is acknowledged again.
	Nacked string `json:"nacked,omitempty"`
	Error  string `json:"error,omitempty"`
}

// streams are the open streams that told who they are.
type streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
}

func (s *streams) add(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*stream]struct{}{}
	}
	s.open[st] = struct{}{}
}

func (s *streams) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// status lists the proxies, one entry per pod: a pod that reconnected before its old stream was noticed dead counts by
// its newest stream.
func (s *streams) status() []ProxyStatus {
	s.mu.Lock()
	open := make([]*stream, 0, len(s.open))
	for st := range s.open {
		open = append(open, st)
	}
	s.mu.Unlock()
	newest := make(map[PodIdentity]ProxyStatus, len(open))
	for _, st := range open {
		status := st.status()
		if old, ok := newest[status.Pod]; !ok || status.Since.After(old.Since) {
			newest[status.Pod] = status
		}
	}
	out := make([]ProxyStatus, 0, len(newest))
	for _, status := range newest {
		out = append(out, status)
	}
	slices.SortFunc(out, func(a, b ProxyStatus) int {
		return cmp.Or(cmp.Compare(a.Pod.Namespace, b.Pod.Namespace), cmp.Compare(a.Pod.Name, b.Pod.Name), cmp.Compare(a.Pod.UID, b.Pod.UID))
	})
	return out
}
