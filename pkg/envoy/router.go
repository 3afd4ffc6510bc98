package envoy

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// awaitPause is how long a wait for verdicts sleeps before it looks whether there were any. Thousands of proxies may
// answer at once, and none of them pays for who waits.
const awaitPause = 20 * time.Millisecond

// RouterStatus is what the proxies of one replica made of a virtual router.
type RouterStatus struct {
	Router mesh.ObjectRef `json:"router"`
	// Published is the generation that this replica serves; none if it does not know the router (yet).
	Published mesh.Generation `json:"published,omitzero"`
	// Callers are the virtual nodes and gateways whose configuration holds routes of the router, sorted.
	Callers []mesh.ProxyID `json:"callers,omitempty"`
	// Proxies are the connected pods of the callers, sorted by pod.
	Proxies []RouterProxy `json:"proxies,omitempty"`
}

// RouterProxy is what one connected proxy made of a virtual router.
type RouterProxy struct {
	Pod   PodIdentity  `json:"pod"`
	Proxy mesh.ProxyID `json:"proxy"`
	// Since is when it connected.
	Since time.Time `json:"since"`
	// Acked is the newest generation whose routes it has acknowledged on this stream; none as long as it has not.
	Acked mesh.Generation `json:"acked,omitzero"`
	// Refused is the newest generation that it refused and was given nothing better for since, RefusedAt when, and
	// Error Envoy's sentence.
	Refused   mesh.Generation `json:"refused,omitzero"`
	RefusedAt time.Time       `json:"refusedAt,omitzero"`
	Error     string          `json:"error,omitempty"`
}

// Reached says whether the replica serves a generation of the router and all of its connected callers have a verdict on
// it: they acknowledged it, or refused it, which will not change by waiting. It is pure.
func (s RouterStatus) Reached(want mesh.Generation) bool {
	if !s.Published.Reaches(want) {
		return false
	}
	for _, p := range s.Proxies {
		if !p.Acked.Reaches(want) && !p.Refused.Reaches(want) {
			return false
		}
	}
	return true
}

// Router tells who is connected and has routes of a virtual router, and which generation of it each acknowledged.
func (s *Server) Router(router mesh.ObjectRef) RouterStatus {
	model, callers := s.store.present(router)
	out := RouterStatus{Router: router}
	if model == nil {
		return out
	}
	out.Published = model.Generations[router]
	for id := range callers {
		out.Callers = append(out.Callers, id)
	}
	slices.SortFunc(out.Callers, mesh.ProxyID.Compare)
	for _, st := range s.streams.list() {
		if _, calls := callers[st.boundTo()]; calls {
			out.Proxies = append(out.Proxies, st.router(router, model))
		}
	}
	out.Proxies = newestStreams(out.Proxies, func(p RouterProxy) (PodIdentity, time.Time) { return p.Pod, p.Since })
	return out
}

// AwaitRouter returns the status of a virtual router once a generation is reached, or as it is when ctx is done.
func (s *Server) AwaitRouter(ctx context.Context, router mesh.ObjectRef, want mesh.Generation) RouterStatus {
	tick := time.NewTicker(awaitPause)
	defer tick.Stop()
	for {
		seen := s.changes.Load()
		if s.reached(router, want) {
			return s.Router(router)
		}
		for s.changes.Load() == seen {
			select {
			case <-ctx.Done():
				return s.Router(router)
			case <-tick.C:
			}
		}
	}
}

// reached is RouterStatus.Reached, without the status: it ends at the first proxy that has no verdict.
func (s *Server) reached(router mesh.ObjectRef, want mesh.Generation) bool {
	model, callers := s.store.present(router)
	if model == nil || !model.Generations[router].Reaches(want) {
		return false
	}
	// Most proxies have one of a few editions.
	known := map[*edition]bool{}
	for _, st := range s.streams.list() {
		if _, calls := callers[st.boundTo()]; !calls {
			continue
		}
		taken, refusing := st.feed.taken()
		has, judged := known[taken]
		if !judged {
			has = taken.generation(router).Reaches(want)
			known[taken] = has
		}
		if refusing {
			p := st.router(router, model)
			has = p.Acked.Reaches(want) || p.Refused.Reaches(want)
		}
		if !has {
			return false
		}
	}
	return true
}

// router is the stream's part of a RouterStatus.
func (s *stream) router(router mesh.ObjectRef, m *mesh.Model) RouterProxy {
	out := RouterProxy{Pod: s.pod, Proxy: s.boundTo(), Since: s.since}
	taken, refused := s.feed.standing().of(func(r refusal) bool {
		origins := xds.Origins(m, r.of(out.Proxy))
		// Where nobody knows whose it is, it may be the router's.
		return len(origins) == 0 || slices.Contains(origins, router)
	})
	out.Acked = taken.generation(router)
	if refused != nil {
		out.Refused, out.RefusedAt, out.Error = refused.edition.generation(router), refused.since, refused.message
	}
	return out
}

// newestStreams keeps one entry per pod, sorted: a pod that reconnected before its old stream was noticed dead counts by
// its newest stream.
func newestStreams[T any](all []T, of func(T) (PodIdentity, time.Time)) []T {
	newest := make(map[PodIdentity]T, len(all))
	for _, entry := range all {
		pod, since := of(entry)
		if old, known := newest[pod]; known {
			if _, before := of(old); !since.After(before) {
				continue
			}
		}
		newest[pod] = entry
	}
	out := make([]T, 0, len(newest))
	for _, entry := range newest {
		out = append(out, entry)
	}
	slices.SortFunc(out, func(x, y T) int {
		a, _ := of(x)
		b, _ := of(y)
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return out
}
