package envoy

import (
	"math/rand/v2"
	"sync"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// patience is how long listeners and routes wait for a proxy to take the clusters they name. Longer means that the
// proxy does not answer as Envoy does; it then gets everything at once, which is what other control planes always do.
const patience = 3 * time.Second

// feed decides what one stream gets next. The message loop opens a watch per type; the feed answers it when something
// is owed and everything that must come before has arrived:
//
//	clusters  ->  endpoints, secrets  ->  listeners, routes  ->  removal of clusters that nothing names any more
//
// Secrets go out one by one. When Envoy cannot load one, because its file is missing, it refuses the message and leaves
// aside what else is in it: one wrong path would take the certificates of every other port with it.
//
// A watch without an answer stays open, and a feed without a snapshot answers nothing: a proxy that is not published
// waits in its startup probe.
type feed struct {
	mu    sync.Mutex
	snap  *snapshot
	lines map[string]*line
	// again are, by type, the names whose cluster or listener was sent since they were. Envoy warms a changed cluster until
	// it gets endpoints again, even if it changed back to what they were sent for.
	again map[string]map[string]struct{}
	// waiting runs while something is held back; hasty is set when it ends, until nothing needs to be held back.
	waiting *time.Timer
	hasty   bool
	closed  bool
	// attempt is how secrets are spelled; retrying runs until those that were refused are sent again, after retryAfter.
	attempt    int
	retrying   *time.Timer
	retryAfter time.Duration
	// rounds are the publishes that this proxy has not taken yet, the oldest first.
	rounds []owedRound
}

// line is one type on one stream.
type line struct {
	// watch is the open request, nil while an answer is on its way to the proxy.
	watch watch
	// pending is the answer on its way, nil while watch is open.
	pending *answer
	// unwritten are the answers that the message loop has not written yet.
	unwritten []*answer
	// base is what the proxy has once they are written, where the watch was opened too early to know; else nil.
	base map[string]string
	// written are the answers that the proxy has not judged yet, the oldest first.
	written []*answer
	// taken is the newest edition of which the proxy has all of this type that it asks for, but for refusals.
	taken *edition
	// refusals are the resources that it refused, by name.
	refusals map[string]refusal
	// answered tells that the type was answered on this stream before.
	answered bool
	// brought is the version that a state-of-the-world proxy had when it connected, until it is answered.
	brought string
	// sent are the bodies that a state-of-the-world proxy has, to be repeated as long as they must stay.
	sent map[string]*resource
}

func newFeed() *feed {
	f := &feed{
		lines: map[string]*line{}, again: map[string]map[string]struct{}{},
		attempt: rand.N(spellings), retryAfter: DefaultSecretRetry,
	}
	for brought := range broughtBy {
		f.again[brought] = map[string]struct{}{}
	}
	return f
}

func (f *feed) line(typeURL string) *line {
	l, ok := f.lines[typeURL]
	if !ok {
		l = &line{}
		f.lines[typeURL] = l
	}
	return l
}

// set publishes s to the stream. The round, if any, ends when all proxies have judged it.
func (f *feed) set(s *snapshot, r *round) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snap = s
	if r != nil && !f.closed {
		r.join()
		f.rounds = append(f.rounds, owedRound{s.edition, r})
	}
	f.advance()
}

// open registers a watch and answers it if something is owed. The returned function withdraws it.
func (f *feed) open(typeURL string, newWatch func(*line) watch) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.line(typeURL)
	w := newWatch(l)
	l.watch, l.pending, l.base = w, nil, nil
	if w.overtakes() {
		l.unwritten = nil
	}
	if n := len(l.unwritten); n > 0 {
		l.base = l.unwritten[n-1].known
	}
	f.advance()
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if l.watch == w {
			l.watch = nil
		}
	}
}

// sent records that the pending answer of a type was written to the stream. Only now is it true that the proxy gets
// it: the state-of-the-world loop drops an answer that a newer request of the type has overtaken.
func (f *feed) sent(typeURL, nonce string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.line(typeURL)
	l.answered, l.brought = true, ""
	if len(l.unwritten) == 0 {
		return
	}
	a := l.unwritten[0]
	a.nonce = nonce
	l.unwritten, l.written = l.unwritten[1:], append(l.written, a)
	for _, r := range a.changed {
		delete(f.again[typeURL], r.name)
		for brought, list := range r.brings {
			for _, name := range list {
				f.again[brought][name] = struct{}{}
			}
		}
	}
	f.advance()
}

// bring records the version of a type that a state-of-the-world proxy states in its first request of a stream. If it
// is ours, the proxy has all we publish of a wildcard type: nothing needs to be sent again after a reconnect.
func (f *feed) bring(typeURL, version string) {
	// Not for types that are asked for by name: the version does not tell which names it was accepted for.
	if typeURL != resourcev3.ClusterType && typeURL != resourcev3.ListenerType {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.line(typeURL); !l.answered {
		l.brought = version
	}
}

// close stops the feed.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.waiting != nil {
		f.waiting.Stop()
	}
	if f.retrying != nil {
		f.retrying.Stop()
	}
	f.leaveRounds(func(*edition) bool { return true })
}

// advance answers every open watch that may be answered now. It is called whenever something changed.
func (f *feed) advance() {
	if f.snap == nil || f.closed {
		return
	}
	progress, held := false, false
	for _, typeURL := range servedTypes {
		l, asked := f.lines[typeURL]
		if !asked || l.watch == nil {
			continue
		}
		a := owed(f.snap.types[typeURL], f.want(typeURL, l, true))
		switch {
		case a == nil:
			f.notice(typeURL, l)
		case f.holds(typeURL) && !f.hasty:
			held = true
		default:
			f.deliver(l, a)
			progress = true
		}
	}
	f.arm(held)
	if !progress && !held && f.settled() {
		f.removeClusters()
	}
	f.leaveRounds(f.judged)
}

// want states what a line's open watch asks for.
func (f *feed) want(typeURL string, l *line, keepGone bool) want {
	c, sub := f.snap.types[typeURL], l.watch.subscription()
	w := want{
		wildcard: sub.IsWildcard(),
		names:    sub.SubscribedResources(),
		known:    l.has(),
		answered: l.answered,
		single:   typeURL == resourcev3.SecretType,
		keepGone: keepGone && typeURL == resourcev3.ClusterType,
		tellMissing: f.quiet(resourcev3.ClusterType) &&
			(typeURL == resourcev3.EndpointType || f.quiet(resourcev3.ListenerType)),
	}
	if l.brought == c.version {
		w.known, w.answered = c.versions(), true
	}
	w.again = f.again[typeURL]
	return w
}

// has returns the names that were sent of a type on this stream, what is on its way included.
func (l *line) has() map[string]string {
	switch {
	case l == nil:
		return nil
	case l.base != nil:
		return l.base
	case l.watch != nil:
		return l.watch.subscription().ReturnedResources()
	case l.pending != nil:
		return l.pending.known
	}
	return nil
}

// removeClusters is the last step of an update: by now no listener and no route of the proxy names them.
func (f *feed) removeClusters() {
	l, asked := f.lines[resourcev3.ClusterType]
	if !asked {
		return
	}
	if a := owed(f.snap.types[resourcev3.ClusterType], f.want(resourcev3.ClusterType, l, false)); a != nil {
		f.deliver(l, a)
	}
}

func (f *feed) deliver(l *line, a *answer) {
	w := l.watch
	a.edition, a.whole = f.snap.edition, w.overtakes() && !a.alone
	l.watch, l.base, l.pending, l.unwritten = nil, nil, a, append(l.unwritten, a)
	if a.alone {
		a.respell(f.attempt)
	}
	w.deliver(a)
}

// arm starts, or ends, the wait after which held answers are sent anyway.
func (f *feed) arm(held bool) {
	if !held {
		if f.waiting != nil {
			f.waiting.Stop()
			f.waiting = nil
		}
		f.hasty = false
		return
	}
	if f.waiting == nil {
		f.waiting = time.AfterFunc(patience, f.lose)
	}
}

// lose ends the wait: the proxy did not do what Envoy does.
func (f *feed) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hasty = true
	f.advance()
}
