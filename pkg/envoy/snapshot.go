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
	// version is the hash of the content, so that replicas agree and a reconnecting proxy gets only what differs.
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
		if prev != nil && prev.types[typeURL].version == version {
			s.types[typeURL] = prev.types[typeURL]
			continue
		}
		c, err := newCollection(typeURL, version, messages(r, typeURL))
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

func newCollection(typeURL, version string, in map[string]proto.Message) (*collection, error) {
	c := &collection{version: version, byName: make(map[string]*resource, len(in))}
	for name, m := range in {
		// Deterministic, because the version is a hash of these bytes.
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("marshal %s %q: %w", typeURL, name, err)
		}
		sum := sha256.Sum256(body)
		r := &resource{name: name, version: hex.EncodeToString(sum[:12])}
		r.wire = &discoveryv3.Resource{Name: name, Version: r.version, Resource: &anypb.Any{TypeUrl: typeURL, Value: body}}
		r.brings = brings(m)
		c.byName[name] = r
	}
	return c, nil
}
