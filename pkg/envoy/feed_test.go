package envoy

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"
)

// TestFeedLaws lets a proxy that behaves as Envoy does follow random publishes, messages arriving as late as they like:
//
//   - a route never names a cluster that the proxy does not have, or that waits for its endpoints or its secret;
//   - a secret that the proxy refuses keeps no other from it;
//   - an edition that counts as taken is taken: the proxy has its routes or later ones;
//   - in the end the proxy has exactly what was published last, but for what it refuses, and that is known;
//   - nothing is sent when it has, not even on another stream;
//   - a stream that breaks at any moment leaves nothing behind that waits for ever.
func TestFeedLaws(t *testing.T) {
	for _, variant := range []string{protocolDelta, protocolSotw} {
		t.Run(variant, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := newModelProxy(t, variant == protocolSotw)
				p.picky = rapid.Bool().Draw(t, "picky")
				var want *snapshot
				for range rapid.IntRange(1, 8).Draw(t, "publishes") {
					want = p.publish(randomSplit(t))
					for range rapid.IntRange(0, 12).Draw(t, "messages") {
						p.message()
					}
					if !p.sotw && rapid.Bool().Draw(t, "broken") {
						p.reconnect()
					}
				}
				for p.message() {
				}
				p.wants(want)
				p.feed.set(want, nil)
				if p.message() {
					t.Fatal("an equal configuration was sent")
				}
				if !p.sotw && !p.refusesAny(want) {
					p.reconnect()
					if p.message() {
						t.Fatal("an equal configuration was sent on another stream")
					}
				}
			})
		})
	}
}

func randomSplit(t *rapid.T) split {
	s := split{port: 80, weights: map[string]uint32{}, backends: map[string]string{}, maxRequests: rapid.Uint32Range(1, 3).Draw(t, "max"), trust: map[string]string{}}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 4, rapid.ID[string]).Draw(t, "clusters") {
		s.backends[name] = fmt.Sprintf("10.0.0.1:%d", rapid.IntRange(1, 3).Draw(t, "endpoint"))
		if rapid.Bool().Draw(t, "routed") {
			s.weights[name] = 1
		}
		if dir := rapid.SampledFrom([]string{"", "/certs", "/renamed", missing}).Draw(t, "trust"); dir != "" {
			s.trust[name] = dir
		}
	}
	return s
}

// missing is a folder whose files no proxy finds.
const missing = "/missing"

// modelProxy is what matters of Envoy: it asks for all clusters and listeners, for the endpoints and the secrets of
// the clusters it has and the routes of its listener, and it works through its stream in order.
type modelProxy struct {
	*rapid.T
	feed *feed
	sotw bool
	// written are messages in the server's channels, arrived those on the wire.
	delta   chan cachev3.DeltaResponse
	state   chan cachev3.Response
	arrived []message
	subs    map[string]*subscription
	cancel  map[string]func()
	// has is what the proxy uses: type, name, body. cold are clusters that wait for endpoints.
	has  map[string]map[string]*anypb.Any
	cold map[string]bool
	// versions are those that the proxy was told of what it has; warm are the clusters that got endpoints, as they were then.
	versions map[string]map[string]string
	warm     map[string]*anypb.Any
	// locked are clusters that wait for their first secret.
	locked map[string]bool
	prev   *snapshot
	// editions counts what was published, nonces what was sent.
	editions, nonces uint64
	published        []*snapshot
	// picky proxies refuse routes to cluster d.
	picky bool
}

func (p *modelProxy) refuses(body *anypb.Any) bool {
	return p.picky && body.GetTypeUrl() == resourcev3.RouteType && bytes.Contains(body.GetValue(), []byte("\x01d"))
}

type message struct {
	typeURL string
	nonce   string
	bodies  map[string]*anypb.Any
	// versions are those of the bodies; only delta has them.
	versions map[string]string
	gone     []string
	// whole tells that what is not in bodies is gone.
	whole bool
}

type subscription struct {
	all   bool
	names map[string]struct{}
	known map[string]string
}

func (s subscription) IsWildcard() bool                         { return s.all }
func (s subscription) SubscribedResources() map[string]struct{} { return s.names }
func (s subscription) ReturnedResources() map[string]string     { return s.known }

func newModelProxy(t *rapid.T, sotw bool) *modelProxy {
	p := &modelProxy{
		T: t, feed: newFeed(), sotw: sotw, subs: map[string]*subscription{}, cancel: map[string]func(){}, cold: map[string]bool{}, locked: map[string]bool{},
		delta: make(chan cachev3.DeltaResponse, 20), state: make(chan cachev3.Response, 20), has: map[string]map[string]*anypb.Any{},
	}
	p.versions, p.warm = map[string]map[string]string{}, map[string]*anypb.Any{}
	for _, typeURL := range servedTypes {
		p.has[typeURL], p.versions[typeURL] = map[string]*anypb.Any{}, map[string]string{}
	}
	p.subs[resourcev3.ClusterType] = &subscription{all: true, known: map[string]string{}}
	p.subs[resourcev3.ListenerType] = &subscription{all: true, known: map[string]string{}}
	p.ask(resourcev3.ClusterType)
	p.ask(resourcev3.ListenerType)
	return p
}

func (p *modelProxy) publish(s split) *snapshot {
	snap, err := newSnapshot(p.prev, s.resources())
	if err != nil {
		p.Fatal(err)
	}
	if snap != p.prev {
		p.editions++
		snap.edition.number = p.editions
		p.published = append(p.published, snap)
	}
	p.prev = snap
	p.feed.set(snap, nil)
	return snap
}

// ask opens a watch with a copy of the subscription, as the message loops do: before, the delta loop writes what waits,
// and the other one drops what waits of the same type.
func (p *modelProxy) ask(typeURL string) {
	for len(p.delta) > 0 {
		p.write()
	}
	for range len(p.state) {
		if r := <-p.state; r.GetRequest().GetTypeUrl() != typeURL {
			p.writeState(r)
		}
	}
	if cancel, ok := p.cancel[typeURL]; ok {
		cancel()
	}
	s := p.subs[typeURL]
	sub := subscription{all: s.all, names: maps.Clone(s.names), known: s.known}
	p.cancel[typeURL] = p.feed.open(typeURL, func(l *line) watch {
		if p.sotw {
			return &sotwWatch{typeURL: typeURL, sub: sub, out: p.state, line: l}
		}
		return &deltaWatch{typeURL: typeURL, sub: sub, out: p.delta}
	})
}

// reconnect breaks the stream, with all that is on its way, and begins another, on which the proxy states what it has.
func (p *modelProxy) reconnect() {
	p.feed.close()
	p.feed, p.arrived, p.cancel = newFeed(), nil, map[string]func(){}
	for len(p.delta) > 0 {
		<-p.delta
	}
	p.feed.set(p.prev, nil)
	for _, typeURL := range servedTypes {
		if s, asked := p.subs[typeURL]; asked {
			s.known = maps.Clone(p.versions[typeURL])
			if !s.all {
				maps.DeleteFunc(s.known, func(name, _ string) bool { _, wanted := s.names[name]; return !wanted })
			}
			p.ask(typeURL)
		}
	}
}

// refusesAny tells whether the proxy refuses any of what is published.
func (p *modelProxy) refusesAny(s *snapshot) bool {
	for _, c := range s.types {
		for _, r := range c.byName {
			if body := r.wire.GetResource(); p.refuses(body) || isMissing(unpacked(p.T, body)) {
				return true
			}
		}
	}
	return false
}

// message lets one thing happen: the server writes a message, or the proxy reads one. It returns false if there is none.
func (p *modelProxy) message() bool {
	canWrite := len(p.delta)+len(p.state) > 0
	switch {
	case canWrite && (len(p.arrived) == 0 || rapid.Bool().Draw(p.T, "write")):
		p.write()
	case len(p.arrived) > 0:
		m := p.arrived[0]
		p.arrived = p.arrived[1:]
		p.read(m)
	default:
		return false
	}
	return true
}

// write lets the message loop write the answer that waits longest.
func (p *modelProxy) write() {
	select {
	case r := <-p.delta:
		p.writeDelta(r)
	case r := <-p.state:
		p.writeState(r)
	}
}

func (p *modelProxy) writeDelta(r cachev3.DeltaResponse) {
	out, _ := r.GetDeltaDiscoveryResponse()
	m := message{typeURL: out.GetTypeUrl(), bodies: map[string]*anypb.Any{}, versions: map[string]string{}, gone: out.GetRemovedResources()}
	for _, res := range out.GetResources() {
		m.versions[res.GetName()] = res.GetVersion()
		m.bodies[res.GetName()] = res.GetResource()
	}
	p.send(m, r.GetReturnedResources())
}

func (p *modelProxy) writeState(r cachev3.Response) {
	out, _ := r.GetDiscoveryResponse()
	m := message{typeURL: out.GetTypeUrl(), bodies: map[string]*anypb.Any{}}
	m.whole = m.typeURL == resourcev3.ClusterType || m.typeURL == resourcev3.ListenerType
	for _, body := range out.GetResources() {
		m.bodies[nameOf(p.T, body)] = body
	}
	p.send(m, r.GetReturnedResources())
}

func (p *modelProxy) send(m message, known map[string]string) {
	p.subs[m.typeURL].known = known
	p.nonces++
	m.nonce = strconv.FormatUint(p.nonces, 10)
	p.feed.sent(m.typeURL, m.nonce)
	p.arrived = append(p.arrived, m)
}

func (p *modelProxy) read(m message) {
	has := p.has[m.typeURL]
	if p.lacks(m) {
		return
	}
	if m.whole {
		for name := range has {
			if _, stays := m.bodies[name]; !stays {
				m.gone = append(m.gone, name)
			}
		}
	}
	for _, name := range m.gone {
		delete(has, name)
		delete(p.versions[m.typeURL], name)
		if m.typeURL == resourcev3.ClusterType {
			delete(p.cold, name)
			delete(p.locked, name)
		}
	}
	refusal := ""
	for name, body := range m.bodies {
		if p.refuses(body) {
			refusal = "no routes to d, please"
			continue
		}
		_, had := has[name]
		has[name] = body
		p.versions[m.typeURL][name] = m.versions[name]
		switch m.typeURL {
		case resourcev3.ClusterType:
			// A changed cluster warms beside the old one, so only a new one is missing meanwhile.
			p.cold[name] = p.cold[name] || !had
			_, knows := p.has[resourcev3.SecretType][name]
			p.locked[name] = (p.locked[name] || !had) && !knows && len(secretsOf(unpacked(p.T, body).(*clusterv3.Cluster))) > 0
		case resourcev3.EndpointType:
			delete(p.cold, name)
			p.warm[name] = p.has[resourcev3.ClusterType][name]
		case resourcev3.SecretType:
			delete(p.locked, name)
		}
	}
	p.follow(m.typeURL)
	p.feed.heard(m.typeURL, verdict{nonce: m.nonce, message: refusal})
	p.ask(m.typeURL)
	p.check()
}

// lacks tells whether a file of a secret in a message is missing. The proxy then uses nothing of it, and what waited for
// a secret goes on without.
func (p *modelProxy) lacks(m message) bool {
	for _, body := range m.bodies {
		if m.typeURL == resourcev3.SecretType && isMissing(unpacked(p.T, body)) {
			clear(p.locked)
			p.feed.heard(m.typeURL, verdict{nonce: m.nonce, message: "no such file"})
			p.ask(m.typeURL)
			return true
		}
	}
	return false
}

func isMissing(m proto.Message) bool {
	secret, ok := m.(*tlsv3.Secret)
	return ok && path.Clean(secret.GetValidationContext().GetWatchedDirectory().GetPath()) == missing
}

// plainly spells the folder of a secret as it was published.
func plainly(t *rapid.T, body *anypb.Any) *anypb.Any {
	if body.GetTypeUrl() != resourcev3.SecretType {
		return body
	}
	secret := unpacked(t, body).(*tlsv3.Secret)
	watched := secret.GetValidationContext().GetWatchedDirectory()
	watched.Path = path.Clean(watched.GetPath())
	out, err := anypb.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// follow asks for what the resources of a type bring.
func (p *modelProxy) follow(typeURL string) {
	switch typeURL {
	case resourcev3.ClusterType:
		p.subscribe(resourcev3.EndpointType, slices.Collect(maps.Keys(p.has[typeURL])))
		var secrets []string
		for _, body := range p.has[typeURL] {
			secrets = append(secrets, secretsOf(unpacked(p.T, body).(*clusterv3.Cluster))...)
		}
		if _, asked := p.subs[resourcev3.SecretType]; asked || len(secrets) > 0 {
			p.subscribe(resourcev3.SecretType, secrets)
		}
	case resourcev3.ListenerType:
		p.subscribe(resourcev3.RouteType, []string{"routes"})
	}
}

func (p *modelProxy) subscribe(typeURL string, names []string) {
	s, ok := p.subs[typeURL]
	if !ok {
		s = &subscription{known: map[string]string{}}
		p.subs[typeURL] = s
	}
	next, known := map[string]struct{}{}, map[string]string{}
	for _, name := range names {
		next[name] = struct{}{}
		if version, ok := s.known[name]; ok {
			known[name] = version
		}
	}
	if ok && maps.Equal(next, s.names) {
		return
	}
	for name := range s.names {
		if _, stays := next[name]; !stays {
			// Envoy forgets what nothing uses.
			delete(p.has[typeURL], name)
			delete(p.versions[typeURL], name)
		}
	}
	s.names, s.known = next, known
	p.ask(typeURL)
}

func (p *modelProxy) check() {
	p.checkTaken()
	for _, body := range p.has[resourcev3.RouteType] {
		var route routev3.RouteConfiguration
		if err := body.UnmarshalTo(&route); err != nil {
			p.Fatal(err)
		}
		for _, c := range route.GetVirtualHosts()[0].GetRoutes()[0].GetRoute().GetWeightedClusters().GetClusters() {
			if _, ok := p.has[resourcev3.ClusterType][c.GetName()]; !ok {
				p.Fatalf("the routes name cluster %q, which the proxy does not have", c.GetName())
			}
			if p.cold[c.GetName()] {
				p.Fatalf("the routes name cluster %q, which waits for its endpoints", c.GetName())
			}
			if p.locked[c.GetName()] {
				p.Fatalf("the routes name cluster %q, which waits for its secret", c.GetName())
			}
		}
	}
}

// checkTaken compares what counts as taken with what the proxy has.
func (p *modelProxy) checkTaken() {
	taken, _ := p.feed.standing().of(func(refusal) bool { return true })
	if taken == nil {
		return
	}
	for _, s := range p.published[taken.number-1:] {
		if proto.Equal(p.has[resourcev3.RouteType]["routes"], s.types[resourcev3.RouteType].byName["routes"].wire.GetResource()) {
			return
		}
	}
	p.Fatalf("edition %d counts as taken, and the proxy has other routes", taken.number)
}

// wants compares what the proxy has with what is published.
func (p *modelProxy) wants(s *snapshot) {
	standing := p.feed.standing()
	// A secret is no part of what is routed.
	taken, refused := standing.of(func(r refusal) bool { return r.typeURL != resourcev3.SecretType })
	if p.refuses(s.types[resourcev3.RouteType].byName["routes"].wire.GetResource()) {
		if refused == nil || refused.edition.number > s.edition.number || taken != nil && taken.number == s.edition.number {
			p.Fatalf("the routes were refused, and that is not known: %+v, taken %+v", refused, taken)
		}
		return
	}
	if taken != s.edition || refused != nil || standing.open {
		p.Fatalf("edition %d was taken, and what is known is %+v", s.edition.number, standing)
	}
	for _, typeURL := range servedTypes {
		for name, r := range s.types[typeURL].byName {
			if isMissing(unpacked(p.T, r.wire.GetResource())) {
				if !slices.ContainsFunc(standing.refusals, func(r refusal) bool { return r.typeURL == typeURL && r.name == name }) {
					p.Errorf("secret %q was refused, and that is not known", name)
				}
				continue
			}
			if !proto.Equal(plainly(p.T, p.has[typeURL][name]), r.wire.GetResource()) {
				p.Errorf("%s %q is not what was published", typeName(typeURL), name)
			}
		}
		for name := range p.has[typeURL] {
			// Endpoints and secrets of a cluster that is gone are forgotten by Envoy itself.
			if _, ok := s.types[typeURL].byName[name]; !ok && typeURL != resourcev3.EndpointType && typeURL != resourcev3.SecretType {
				p.Errorf("%s %q is still there", typeName(typeURL), name)
			}
		}
	}
	for name, cluster := range s.types[resourcev3.ClusterType].byName {
		if !proto.Equal(p.warm[name], cluster.wire.GetResource()) {
			p.Errorf("cluster %q changed, and still waits for endpoints", name)
		}
	}
	for name := range p.cold {
		if p.cold[name] {
			p.Errorf("cluster %q still waits for its endpoints", name)
		}
	}
}

func nameOf(t *rapid.T, body *anypb.Any) string { return cachev3.GetResourceName(unpacked(t, body)) }

func unpacked(t *rapid.T, body *anypb.Any) proto.Message {
	m, err := body.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var _ cachev3.Subscription = subscription{}
