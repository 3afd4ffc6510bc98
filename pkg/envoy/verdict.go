package envoy

import (
	"maps"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/sluice-mesh/sluice/pkg/xds"
)

// refusal is a resource that a proxy did not take, and was not given another version of that it did.
type refusal struct {
	typeURL, name, message string
	since                  time.Time
	// edition is what the proxy refused. before is what it has of the type instead; nil if nothing.
	edition, before *edition
}

// verdict is a proxy's word on an answer; message is Envoy's sentence if it refuses it, else empty.
type verdict struct {
	nonce, message string
	at             time.Time
}

// routedTypes are those that a router's weights need: tables or, for TCP, listeners hold the weights, and lead to clusters.
var routedTypes = [...]string{resourcev3.ClusterType, resourcev3.ListenerType, resourcev3.RouteType}

// heard records the proxy's verdict on an answer, and returns the answer; nil if it is no verdict on anything that is
// still open. Envoy judges in order, and every answer.
func (f *feed) heard(typeURL string, v verdict) *answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.line(typeURL)
	for i, a := range l.written {
		if a.nonce != v.nonce {
			continue
		}
		l.written = l.written[i+1:]
		l.judge(typeURL, a, v)
		f.retrySecrets()
		return a
	}
	return nil
}

// judge keeps of a verdict what the proxy has, and what it refused.
func (l *line) judge(typeURL string, a *answer, v verdict) {
	covered, old := a.changed, l.refusals
	if a.whole {
		covered = a.state
	} else {
		l.refusals = maps.Clone(old)
		for _, r := range covered {
			delete(l.refusals, r.name)
		}
		for _, name := range a.gone {
			delete(l.refusals, name)
		}
	}
	if a.whole || len(l.refusals) == 0 {
		l.refusals = map[string]refusal{}
	}
	if v.message != "" {
		for _, r := range refusedBy(covered, v.message) {
			now := refusal{typeURL: typeURL, name: r.name, message: v.message, since: v.at, edition: a.edition, before: l.taken}
			if earlier, again := old[r.name]; again {
				now.before = earlier.before
			}
			l.refusals[r.name] = now
		}
	}
	if !a.more {
		l.taken = a.edition
	}
}

// refusedBy picks the resources that a refusal is about: those that Envoy's sentence names, or all. It is pure.
func refusedBy(covered []*resource, message string) []*resource {
	var named []*resource
	for _, r := range covered {
		if xds.Mentions(message, r.name) {
			named = append(named, r)
		}
	}
	if len(named) == 0 {
		return covered
	}
	return named
}

// notice records that a line has all there is in the present edition: nothing is owed, nothing is open.
func (f *feed) notice(typeURL string, l *line) {
	for name := range l.refusals {
		_, published := f.snap.types[typeURL].byName[name]
		// A secret may come back as it was before the proxy stopped asking for it, and is not sent again then.
		if _, has := l.has()[name]; !published && (typeURL != resourcev3.SecretType || !has) {
			delete(l.refusals, name)
		}
	}
	if len(l.written) > 0 || len(l.unwritten) > 0 || typeURL == resourcev3.RouteType && !f.asksForItsRoutes() {
		return
	}
	l.taken = f.snap.edition
}

// asksForItsRoutes tells that the proxy knows all listeners, as far as it takes them: until then it does not ask for
// their tables, so nothing is owed and yet something is missing.
func (f *feed) asksForItsRoutes() bool {
	has := f.lines[resourcev3.RouteType].has()
	refused := f.lines[resourcev3.ListenerType].refused()
	for name, listener := range f.snap.types[resourcev3.ListenerType].byName {
		if _, out := refused[name]; out {
			continue
		}
		for _, table := range listener.brings[resourcev3.RouteType] {
			if _, asked := has[table]; !asked {
				return false
			}
		}
	}
	return true
}

// refused are the refusals of a type, by the resource's name.
func (l *line) refused() map[string]refusal {
	if l == nil {
		return nil
	}
	return l.refusals
}

// standing is what a proxy made of what it was sent.
type standing struct {
	// published tells that there is a configuration for the proxy at all.
	published bool
	// open tells that something is owed, on its way, or not judged yet.
	open bool
	// taken are the editions of routedTypes.
	taken [len(routedTypes)]*edition
	// refusals are those of all types.
	refusals []refusal
}

// standing returns a copy.
func (f *feed) standing() standing {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := standing{published: f.snap != nil}
	if !s.published {
		return s
	}
	s.taken = f.takenByType()
	for _, l := range f.lines {
		s.open = s.open || l.taken != f.snap.edition
		for _, r := range l.refusals {
			s.refusals = append(s.refusals, r)
		}
	}
	return s
}

// takenByType returns the editions of routedTypes.
func (f *feed) takenByType() (out [len(routedTypes)]*edition) {
	for i, typeURL := range routedTypes {
		l, asked := f.lines[typeURL]
		switch {
		case asked:
			out[i] = l.taken
		case typeURL != resourcev3.RouteType || f.asksForItsRoutes():
			// What is never asked for, such as tables where all is TCP, is never missing.
			out[i] = f.snap.edition
		}
	}
	return out
}

// taken returns the newest edition that the proxy has judged all of, and whether it refuses any of it.
func (f *feed) taken() (oldest *edition, refusing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.snap == nil {
		return nil, false
	}
	byType := f.takenByType()
	oldest = byType[0]
	for _, e := range byType[1:] {
		oldest = older(oldest, e)
	}
	for _, l := range f.lines {
		refusing = refusing || len(l.refusals) > 0
	}
	return oldest, refusing
}

// of returns the newest edition that the proxy has of everything that a router is in, and, if it refused part of a
// later one, that refusal. concerns tells which refusals are about the router. It is pure.
func (s standing) of(concerns func(refusal) bool) (*edition, *refusal) {
	has := s.taken
	var refused *refusal
	for _, r := range s.refusals {
		if !concerns(r) {
			continue
		}
		if refused == nil || r.edition.number > refused.edition.number {
			refused = &r
		}
		for i, typeURL := range routedTypes {
			if r.typeURL == typeURL {
				has[i] = older(has[i], r.before)
			}
		}
	}
	out := has[0]
	for _, e := range has[1:] {
		out = older(out, e)
	}
	return out, refused
}
