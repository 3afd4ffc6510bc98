package envoy

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// ProxyStatus is one connected proxy as this replica sees it.
type ProxyStatus struct {
	Pod      PodIdentity  `json:"pod"`
	Proxy    mesh.ProxyID `json:"proxy"`
	Protocol string       `json:"protocol"`
	Since    time.Time    `json:"since"`
	// Types is keyed by clusters, endpoints, secrets, listeners and routes.
	Types map[string]TypeStatus `json:"types"`
	// Refused is what it does not take of what it was sent, sorted.
	Refused []Refused `json:"refused,omitempty"`
}

// Refused is a resource that a proxy does not take; it keeps what it had in its place.
type Refused struct {
	// Type is that of ProxyStatus.Types, and Resource the resource's name.
	Type     string `json:"type"`
	Resource string `json:"resource"`
	// Error is Envoy's sentence.
	Error string    `json:"error"`
	Since time.Time `json:"since"`
	// Objects are those that the refused part was made from, sorted.
	Objects []mesh.ObjectRef `json:"objects,omitempty"`
}

// TypeStatus is what one proxy was sent of one type, and what it made of it. Versions are content hashes.
type TypeStatus struct {
	Sent   string    `json:"sent,omitempty"`
	SentAt time.Time `json:"sentAt,omitzero"`
	Acked  string    `json:"acked,omitempty"`
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

func (s *streams) list() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make([]*stream, 0, len(s.open))
	for st := range s.open {
		open = append(open, st)
	}
	return open
}

// refusals renders what a proxy refused, with the objects of the model that it comes from. It is pure.
func refusals(s standing, m *mesh.Model, proxy mesh.ProxyID) []Refused {
	var out []Refused
	for _, r := range s.refusals {
		out = append(out, Refused{
			Type: typeName(r.typeURL), Resource: r.name, Error: r.message, Since: r.since, Objects: xds.Blame(m, r.of(proxy)),
		})
	}
	slices.SortFunc(out, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Resource, b.Resource))
	})
	return out
}

// of says whose refusal it is, for those who know the model.
func (r refusal) of(proxy mesh.ProxyID) xds.Refusal {
	return xds.Refusal{Proxy: proxy, Type: r.typeURL, Resource: r.name, Message: r.message}
}

// status lists the proxies, one entry per pod.
func (s *streams) status() []ProxyStatus {
	var out []ProxyStatus
	for _, st := range s.list() {
		out = append(out, st.status())
	}
	return newestStreams(out, func(p ProxyStatus) (PodIdentity, time.Time) { return p.Pod, p.Since })
}
