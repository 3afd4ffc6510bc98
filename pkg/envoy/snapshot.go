package envoy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/sluice-mesh/sluice/pkg/xds"
)

// servedTypes are the types we serve, in the order in which a proxy must learn them: a route may only name a cluster
// that the proxy knows, a cluster is only usable with its endpoints and its certificates.
var servedTypes = []string{
	resourcev3.ClusterType, resourcev3.EndpointType, resourcev3.SecretType, resourcev3.ListenerType, resourcev3.RouteType,
}

// resource is one published Envoy object. It never changes, so all streams share it.
type resource struct {
	name string
	// version is the hash of the content, and of what brings it, so that replicas agree and a reconnecting proxy gets only
	// what differs. Envoy warms a changed cluster until it gets endpoints again, though these are the same: with the
	// cluster their version changes, and a proxy that was cut off in between asks with the old one.
	version string
	// brings are the names that a proxy with this resource asks for, by type.
	brings names
	wire   *discoveryv3.Resource
}

// collection is all resources of one type that one proxy gets.
type collection struct {
	version string
	byName  map[string]*resource
}

// snapshot is the published content of one proxy. It never changes.
type snapshot struct {
	types   map[string]*collection
	edition *edition
}

// newSnapshot marshals and hashes r. Types whose version is that of prev are taken over, so an endpoint change costs
// the endpoints only. It returns prev itself when nothing differs. The edition gets its number from whoever publishes it.
func newSnapshot(prev *snapshot, r *xds.Resources) (*snapshot, error) {
	s := &snapshot{types: make(map[string]*collection, len(servedTypes)), edition: &edition{routers: r.Routers}}
	changed := prev == nil || !slices.Equal(prev.edition.routers, r.Routers)
	for _, typeURL := range servedTypes {
		version := r.Version(typeURL)
		by, brought := broughtBy[typeURL]
		bringers := map[string][]string{}
		if brought {
			version = hash(version, s.types[by].version)
			bringers = s.types[by].bringersOf(typeURL)
		}
		if prev != nil && prev.types[typeURL].version == version {
			s.types[typeURL] = prev.types[typeURL]
			continue
		}
		c, err := newCollection(typeURL, version, messages(r, typeURL), bringers)
		if err != nil {
			return nil, err
		}
		s.types[typeURL] = c
		changed = true
	}
	if !changed {
		return prev, nil
	}
	return s, nil
}

// named is what all messages of the served types but ClusterLoadAssignment offer.
type named interface {
	proto.Message
	GetName() string
}

func messages(r *xds.Resources, typeURL string) map[string]proto.Message {
	out := map[string]proto.Message{}
	switch typeURL {
	case resourcev3.ClusterType:
		collect(out, r.Clusters)
	case resourcev3.ListenerType:
		collect(out, r.Listeners)
	case resourcev3.RouteType:
		collect(out, r.Routes)
	case resourcev3.SecretType:
		collect(out, r.Secrets)
	case resourcev3.EndpointType:
		for _, m := range r.Endpoints {
			out[m.GetClusterName()] = m
		}
	}
	return out
}

func collect[M named](out map[string]proto.Message, in []M) {
	for _, m := range in {
		out[m.GetName()] = m
	}
}

// broughtBy maps a type to that of what brings it.
var broughtBy = map[string]string{
	resourcev3.EndpointType: resourcev3.ClusterType, resourcev3.SecretType: resourcev3.ClusterType, resourcev3.RouteType: resourcev3.ListenerType,
}

// bringersOf maps the names of a type that the collection brings to the versions of those that do, sorted.
func (c *collection) bringersOf(typeURL string) map[string][]string {
	out := map[string][]string{}
	for _, r := range c.byName {
		for _, name := range r.brings[typeURL] {
			out[name] = append(out[name], r.version)
		}
	}
	for _, versions := range out {
		slices.Sort(versions)
	}
	return out
}

// hash makes one version of several texts.
func hash(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		// With its length before it a text cannot be taken for the end of its neighbour.
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func newCollection(typeURL, version string, in map[string]proto.Message, bringers map[string][]string) (*collection, error) {
	c := &collection{version: version, byName: make(map[string]*resource, len(in))}
	for name, m := range in {
		// Deterministic, because the version is a hash of these bytes.
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("marshal %s %q: %w", typeURL, name, err)
		}
		r := &resource{name: name, version: hash(append(bringers[name], string(body))...)}
		r.wire = &discoveryv3.Resource{Name: name, Version: r.version, Resource: &anypb.Any{TypeUrl: typeURL, Value: body}}
		r.brings = brings(m)
		c.byName[name] = r
	}
	return c, nil
}
