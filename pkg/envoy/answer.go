package envoy

import (
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// want is what one stream subscribes to, of one type.
type want struct {
	wildcard bool
	names    map[string]struct{}
	// known maps what was sent on this stream (or what the proxy brought along) to its version.
	known map[string]string
	// answered tells that this type was answered on this stream before. The first wildcard answer is sent even when it
	// is empty: a proxy that brought nothing along waits for it to finish its start.
	answered bool
	// again are names to be sent although they are known, because what brought them was sent since.
	again map[string]struct{}
	// keepGone leaves resources that are no longer published for a later answer.
	keepGone bool
	// tellMissing answers names that nobody publishes. It waits until the types that bring such names are settled,
	// because until then the proxy may be asking for what it is about to drop.
	tellMissing bool
	// single limits the answer to one resource that changed, and to that; the others follow in answers of their own.
	single bool
}

// answer is what a subscription is owed.
type answer struct {
	// changed is what the proxy does not have yet; gone what it has and must drop.
	changed []*resource
	gone    []string
	// state is everything the proxy has afterwards that we still publish: the body of a state-of-the-world answer.
	state []*resource
	// known is want.known of the next answer.
	known map[string]string
	// alone tells that what the proxy has of other names is not repeated. It keeps them: only clusters and listeners are
	// dropped by leaving them out.
	alone bool
	// more tells that others changed too, and follow.
	more bool
	// version names the collection, with keptSuffix as long as the proxy has more than that.
	version string
	// edition is the content that it brings the proxy to, as far as the type goes.
	edition *edition
	// whole tells that the message repeats all of state, as the state-of-the-world variant does.
	whole bool
	// nonce is that of the message.
	nonce string
}

// keptSuffix marks the version of an answer that leaves unpublished resources in place.
const keptSuffix = "+kept"

// owed returns the answer to w, or nil when the proxy has all it asked for. It is the whole comparison between what is
// published and what a proxy has; it is pure.
func owed(c *collection, w want) *answer {
	if w.wildcard {
		return owedAll(c, w)
	}
	return owedNamed(c, w)
}

func owedAll(c *collection, w want) *answer {
	a := &answer{version: c.version, known: make(map[string]string, len(c.byName))}
	for name, r := range c.byName {
		a.state = append(a.state, r)
		a.known[name] = r.version
		if w.known[name] != r.version {
			a.changed = append(a.changed, r)
		}
	}
	for name, version := range w.known {
		if _, published := c.byName[name]; published {
			continue
		}
		if w.keepGone {
			a.known[name] = version
			a.version = c.version + keptSuffix
		} else {
			a.gone = append(a.gone, name)
		}
	}
	if len(a.changed) == 0 && len(a.gone) == 0 && (w.answered || len(w.known) > 0) {
		return nil
	}
	return a.sorted()
}

func owedNamed(c *collection, w want) *answer {
	a := &answer{version: c.version, known: make(map[string]string, len(w.names))}
	for name := range w.names {
		had, known := w.known[name]
		r, published := c.byName[name]
		switch {
		case published:
			a.state = append(a.state, r)
			a.known[name] = r.version
			_, again := w.again[name]
			if had != r.version || again {
				a.changed = append(a.changed, r)
			}
		case known:
			// The proxy keeps its last copy until it stops asking; taking it away would only empty a live cluster.
			a.known[name] = had
		case w.tellMissing:
			a.gone = append(a.gone, name)
			a.known[name] = ""
		}
	}
	if len(a.changed) == 0 && len(a.gone) == 0 {
		return nil
	}
	a.sorted()
	if w.single {
		a.only(w.known)
	}
	return a
}

// only leaves the first changed resource in the answer, if possible one that the proxy never had: what is sent again must
// not keep others from it. Of the rest the proxy has what it had.
func (a *answer) only(had map[string]string) {
	if i := slices.IndexFunc(a.changed, func(r *resource) bool { return had[r.name] == "" }); i > 0 {
		a.changed[0], a.changed[i] = a.changed[i], a.changed[0]
	}
	first := min(1, len(a.changed))
	for _, later := range a.changed[first:] {
		delete(a.known, later.name)
		if version, ok := had[later.name]; ok {
			a.known[later.name] = version
		}
	}
	a.more = len(a.changed) > first
	a.changed = a.changed[:first]
	a.state, a.alone = a.changed, true
}

// sorted orders the answer, because it was gathered from maps and goldens, logs and replicas should agree.
func (a *answer) sorted() *answer {
	byName := func(x, y *resource) int {
		if x.name < y.name {
			return -1
		}
		return 1
	}
	slices.SortFunc(a.changed, byName)
	slices.SortFunc(a.state, byName)
	slices.Sort(a.gone)
	return a
}

// delta renders the answer for the delta variant. The message is the stream's own (it gets a nonce), its resources are shared.
func (a *answer) delta(typeURL string) *discoveryv3.DeltaDiscoveryResponse {
	out := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: typeURL, SystemVersionInfo: a.version, RemovedResources: a.gone}
	for _, r := range a.changed {
		out.Resources = append(out.Resources, r.wire)
	}
	return out
}

// sotw renders the answer for the state-of-the-world variant, in which a resource is dropped by leaving it out;
// kept are the resources that must stay although they are not published any more.
func (a *answer) sotw(typeURL string, kept []*resource) *discoveryv3.DiscoveryResponse {
	out := &discoveryv3.DiscoveryResponse{TypeUrl: typeURL, VersionInfo: a.version}
	bodies := make([]*anypb.Any, 0, len(a.state)+len(kept))
	for _, r := range slices.Concat(a.state, kept) {
		bodies = append(bodies, r.wire.GetResource())
	}
	out.Resources = bodies
	return out
}

// versions returns the content of c as a proxy that has all of it would state it.
func (c *collection) versions() map[string]string {
	out := make(map[string]string, len(c.byName))
	for name, r := range c.byName {
		out[name] = r.version
	}
	return out
}
