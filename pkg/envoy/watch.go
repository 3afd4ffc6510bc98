package envoy

import (
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
)

// watch is an open request of either protocol variant.
type watch interface {
	subscription() cachev3.Subscription
	// deliver hands the answer to the message loop. The channel behind it has room for one answer of each type.
	deliver(*answer)
	// overtakes tells that the message loop drops what it has not written of a type when a request of that type comes.
	overtakes() bool
}

type deltaWatch struct {
	typeURL string
	sub     cachev3.Subscription
	out     chan cachev3.DeltaResponse
}

func (w deltaWatch) overtakes() bool { return false }

func (w deltaWatch) subscription() cachev3.Subscription { return w.sub }

func (w deltaWatch) deliver(a *answer) {
	w.out <- &cachev3.DeltaPassthroughResponse{
		// Only the type is read from the request, so the real one, which may be long, is not kept.
		DeltaRequest:           &discoveryv3.DeltaDiscoveryRequest{TypeUrl: w.typeURL},
		NextVersionMap:         a.known,
		DeltaDiscoveryResponse: a.delta(w.typeURL),
	}
}

type sotwWatch struct {
	typeURL string
	sub     cachev3.Subscription
	out     chan cachev3.Response
	line    *line
}

func (w sotwWatch) overtakes() bool { return true }

func (w sotwWatch) subscription() cachev3.Subscription { return w.sub }

func (w sotwWatch) deliver(a *answer) {
	if a.alone {
		w.send(a, nil)
		return
	}
	var kept []*resource
	sent := make(map[string]*resource, len(a.known))
	for name := range a.known {
		if r, ok := w.line.sent[name]; ok {
			sent[name] = r
			kept = append(kept, r)
		}
	}
	for _, r := range a.state {
		if old, ok := sent[r.name]; ok {
			kept = without(kept, old)
		}
		sent[r.name] = r
	}
	w.line.sent = sent
	w.send(a, kept)
}

func (w sotwWatch) send(a *answer, kept []*resource) {
	w.out <- &cachev3.PassthroughResponse{
		Request:           &discoveryv3.DiscoveryRequest{TypeUrl: w.typeURL},
		DiscoveryResponse: a.sotw(w.typeURL, kept),
		ReturnedResources: a.known,
	}
}

func without(in []*resource, r *resource) []*resource {
	out := in[:0]
	for _, x := range in {
		if x != r {
			out = append(out, x)
		}
	}
	return out
}
