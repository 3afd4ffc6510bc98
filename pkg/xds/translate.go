package xds

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Translate gives the resources of one proxy of the model. An error is our bug, or an id that the model does not have.
func Translate(m *mesh.Model, id mesh.ProxyID) (*Resources, error) {
	t := &translation{model: m, out: &Resources{Routers: m.Routers(id)}, clusters: map[string]bool{}, secrets: map[string]bool{}}
	switch id.Kind {
	case mesh.ProxyVirtualNode:
		if node := m.Node(id); node != nil {
			t.policies = node.ClientTLS
			t.node(node)
			return t.finish(id)
		}
	case mesh.ProxyVirtualGateway:
		if gateway := m.Gateway(id); gateway != nil {
			t.policies = gateway.ClientTLS
			t.gateway(gateway)
			return t.finish(id)
		}
	}
	return nil, fmt.Errorf("translate %s: the model has no such proxy", id)
}

// translation is the work on one proxy.
type translation struct {
	model *mesh.Model
	out   *Resources
	// clusters and secrets that are already in out.
	clusters, secrets map[string]bool
	// policies are the TLS of the clusters to which this proxy connects in its own way.
	policies []mesh.ClusterTLS
	errs     []error
}

func (t *translation) finish(id mesh.ProxyID) (*Resources, error) {
	if len(t.errs) > 0 {
		return nil, fmt.Errorf("translate %s: %w", id, errors.Join(t.errs...))
	}
	t.out.sort()
	if err := t.out.Validate(); err != nil {
		return nil, fmt.Errorf("translate %s: %w", id, err)
	}
	return t.out, nil
}

// sort puts every list in the order of its names, because the version is a hash of the order too.
func (r *Resources) sort() {
	slices.SortFunc(r.Listeners, byName)
	slices.SortFunc(r.Routes, byName)
	slices.SortFunc(r.Clusters, byName)
	slices.SortFunc(r.Secrets, byName)
	slices.SortFunc(r.Endpoints, func(a, b *endpointv3.ClusterLoadAssignment) int {
		return cmp.Compare(a.GetClusterName(), b.GetClusterName())
	})
}

func byName[M interface{ GetName() string }](a, b M) int {
	return cmp.Compare(a.GetName(), b.GetName())
}

func (t *translation) add(c *clusterv3.Cluster) {
	if !t.clusters[c.GetName()] {
		t.clusters[c.GetName()] = true
		t.out.Clusters = append(t.out.Clusters, c)
	}
}

// reach adds the clusters that routes lead to, with their endpoints.
func (t *translation) reach(routes []mesh.Route) {
	for _, r := range routes {
		for _, name := range r.Clusters() {
			if t.clusters[name] {
				continue
			}
			c := t.model.Cluster(name)
			if c == nil {
				t.errs = append(t.errs, fmt.Errorf("route %q leads to cluster %q, which the model does not have", r.Name, name))
				continue
			}
			cluster := egressCluster(c)
			if tls := t.tlsOf(c); tls != nil {
				cluster.TransportSocket = t.clientSocket(tls, c.Protocol)
			}
			t.add(cluster)
			if c.DNS == nil {
				t.out.Endpoints = append(t.out.Endpoints, loadAssignment(c.Name, t.model.EndpointsOf(c.Name), healthPort(c)))
			}
		}
	}
}

// tlsOf is how the proxy connects to a cluster, nil for plainly.
func (t *translation) tlsOf(c *mesh.Cluster) *mesh.ClientTLS {
	i, own := slices.BinarySearchFunc(t.policies, c.Name, func(p mesh.ClusterTLS, name string) int { return cmp.Compare(p.Cluster, name) })
	if own {
		return &t.policies[i].TLS
	}
	return c.TLS
}

// pack wraps a message of an extension. The bytes are part of the version, hence deterministic.
func (t *translation) pack(m proto.Message) *anypb.Any {
	out, err := packed(m)
	if err != nil {
		t.errs = append(t.errs, err)
	}
	return out
}

func packed(m proto.Message) (*anypb.Any, error) {
	// Once wrapped it is out of Validate's sight.
	if err := valid(m); err != nil {
		return nil, err
	}
	out := &anypb.Any{}
	if err := anypb.MarshalFrom(out, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		return nil, fmt.Errorf("wrap %T: %w", m, err)
	}
	return out, nil
}

// mustPack is for messages that are constants of ours.
func mustPack(m proto.Message) *anypb.Any {
	out, err := packed(m)
	if err != nil {
		panic(err)
	}
	return out
}
