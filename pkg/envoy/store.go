package envoy

import (
	"fmt"
	"sync"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// store holds what is published, and the feeds of those who want it.
type store struct {
	// publishing makes publishers take turns; mu protects the map and is held briefly.
	publishing sync.Mutex
	mu         sync.Mutex
	proxies    map[mesh.ProxyID]*published
	// model is what was published last, in the mesh's words.
	model *mesh.Model
}

type published struct {
	// snap is nil as long as the proxy is not published: its streams wait.
	snap  *snapshot
	feeds map[*feed]struct{}
	// editions counts the contents that the proxy had.
	editions uint64
}

func newStore() *store { return &store{proxies: map[mesh.ProxyID]*published{}} }

// publish replaces everything that is published: all was made from the model. Proxies that are missing from all are
// gone: their streams keep what they have, and new streams wait.
func (s *store) publish(model *mesh.Model, all map[mesh.ProxyID]*xds.Resources, r *round) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	next := make(map[mesh.ProxyID]*snapshot, len(all))
	for id, resources := range all {
		snap, err := newSnapshot(s.snapshot(id), resources)
		if err != nil {
			return fmt.Errorf("publish %s: %w", id, err)
		}
		next[id] = snap
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model = model
	for id, p := range s.proxies {
		if _, stays := next[id]; !stays {
			p.snap = nil
			s.forget(id, p)
		}
	}
	for id, snap := range next {
		p := s.proxy(id)
		// Before the content is sent, so that an acknowledgement of it finds them.
		snap.edition.generations.Store(&model.Generations)
		if p.snap == snap {
			continue
		}
		p.editions++
		snap.edition.number = p.editions
		p.snap = snap
		for f := range p.feeds {
			f.set(snap, r)
		}
	}
	return nil
}

// current returns the model that is published; nil before the first.
func (s *store) current() *mesh.Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.model
}

// present returns the model that is published, and the editions of the proxies that hold routes of a router.
func (s *store) present(router mesh.ObjectRef) (*mesh.Model, map[mesh.ProxyID]*edition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	callers := map[mesh.ProxyID]*edition{}
	for id, p := range s.proxies {
		if p.snap != nil && p.snap.edition.holds(router) {
			callers[id] = p.snap.edition
		}
	}
	return s.model, callers
}

// clusters returns the clusters that are published to a proxy, by name; nil if nothing is.
func (s *store) clusters(id mesh.ProxyID) map[string]*resource {
	if snap := s.snapshot(id); snap != nil {
		return snap.types[resourcev3.ClusterType].byName
	}
	return nil
}

func (s *store) snapshot(id mesh.ProxyID) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.proxies[id]; ok {
		return p.snap
	}
	return nil
}

// attach lets a feed follow a proxy until the returned function is called.
func (s *store) attach(id mesh.ProxyID, f *feed) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proxy(id)
	p.feeds[f] = struct{}{}
	if p.snap != nil {
		f.set(p.snap, nil)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(p.feeds, f)
		s.forget(id, p)
	}
}

// proxy returns the entry of id, made on first use.
func (s *store) proxy(id mesh.ProxyID) *published {
	p, ok := s.proxies[id]
	if !ok {
		p = &published{feeds: map[*feed]struct{}{}}
		s.proxies[id] = p
	}
	return p
}

// forget drops an entry that nobody publishes and nobody follows.
func (s *store) forget(id mesh.ProxyID, p *published) {
	if p.snap == nil && len(p.feeds) == 0 && s.proxies[id] == p {
		delete(s.proxies, id)
	}
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.proxies {
		if p.snap != nil {
			n++
		}
	}
	return n
}
