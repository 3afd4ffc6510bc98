package xds

import (
	"errors"
	"fmt"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Static gives a configuration that Envoy runs without any control plane: what a proxy would be sent is written where
// it would ask for it. The listeners are those of the pod, and the admin interface is on the port of a sidecar's
// statistics, on the loopback interface only. An error is our bug.
func Static(r *Resources) (*bootstrapv3.Bootstrap, error) {
	s := &inliner{
		routes: map[string]*routev3.RouteConfiguration{}, endpoints: map[string]*endpointv3.ClusterLoadAssignment{}, secrets: map[string]bool{},
	}
	for _, table := range r.Routes {
		s.routes[table.GetName()] = table
	}
	for _, e := range r.Endpoints {
		s.endpoints[e.GetClusterName()] = e
	}
	resources := &bootstrapv3.Bootstrap_StaticResources{}
	for _, secret := range r.Secrets {
		s.secrets[secret.GetName()] = true
		resources.Secrets = append(resources.Secrets, proto.Clone(secret).(*tlsv3.Secret))
	}
	for _, l := range r.Listeners {
		resources.Listeners = append(resources.Listeners, proto.Clone(l).(*listenerv3.Listener))
	}
	for _, c := range r.Clusters {
		resources.Clusters = append(resources.Clusters, proto.Clone(c).(*clusterv3.Cluster))
	}
	s.message(resources)
	if s.machine {
		resources.Clusters = append(resources.Clusters, sdsCluster(sluice.SDSSocket))
	}
	limit, err := connectionLimit()
	if err = errors.Join(append(s.errs, err)...); err != nil {
		return nil, fmt.Errorf("make a static configuration: %w", err)
	}
	return &bootstrapv3.Bootstrap{
		// Whoever asks somebody for secrets has to say who it is.
		Node:            &corev3.Node{Id: "static", Cluster: "static"},
		Admin:           &bootstrapv3.Admin{Address: socket(localhost, sluice.StatsPort)},
		StaticResources: resources,
		// As in a sidecar's bootstrap, because both decide what Envoy accepts.
		LayeredRuntime:  runtime(BootstrapConfig{}),
		OverloadManager: limit,
	}, nil
}

// inliner writes the answers of ADS in the place of the references to it.
type inliner struct {
	routes    map[string]*routev3.RouteConfiguration
	endpoints map[string]*endpointv3.ClusterLoadAssignment
	secrets   map[string]bool
	// machine is set if something asks the secret discovery service of the machine.
	machine bool
	errs    []error
}

// message changes m and all that is in it, extensions too: references to ADS are wherever an extension has one.
func (s *inliner) message(m proto.Message) {
	switch m := m.(type) {
	case *anypb.Any:
		s.extension(m)
		return
	case *hcmv3.HttpConnectionManager:
		s.routeTable(m)
	case *clusterv3.Cluster:
		s.loadAssignment(m)
	case *tlsv3.SdsSecretConfig:
		s.secret(m)
	}
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					s.message(v.Message().Interface())
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				s.message(value.List().Get(i).Message().Interface())
			}
		default:
			s.message(value.Message().Interface())
		}
		return true
	})
}

func (s *inliner) extension(wrapped *anypb.Any) {
	inner, err := wrapped.UnmarshalNew()
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("unwrap %s: %w", wrapped.GetTypeUrl(), err))
		return
	}
	s.message(inner)
	// Deterministic, so that one model gives one text.
	if err := anypb.MarshalFrom(wrapped, inner, proto.MarshalOptions{Deterministic: true}); err != nil {
		s.errs = append(s.errs, fmt.Errorf("wrap %s: %w", wrapped.GetTypeUrl(), err))
	}
}

func (s *inliner) routeTable(m *hcmv3.HttpConnectionManager) {
	if !fromADS(m.GetRds().GetConfigSource()) {
		return
	}
	name := m.GetRds().GetRouteConfigName()
	table, ok := s.routes[name]
	if !ok {
		s.errs = append(s.errs, fmt.Errorf("a listener asks for route table %q, which is not there", name))
		return
	}
	m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: proto.Clone(table).(*routev3.RouteConfiguration)}
}

func (s *inliner) secret(m *tlsv3.SdsSecretConfig) {
	s.machine = s.machine || m.GetSdsConfig().GetApiConfigSource() != nil
	if !fromADS(m.GetSdsConfig()) {
		return
	}
	if !s.secrets[m.GetName()] {
		s.errs = append(s.errs, fmt.Errorf("something asks for secret %q, which is not there", m.GetName()))
	}
	// Without a source, the name is that of a static secret.
	m.SdsConfig = nil
}

func (s *inliner) loadAssignment(c *clusterv3.Cluster) {
	if c.GetType() != clusterv3.Cluster_EDS || !fromADS(c.GetEdsClusterConfig().GetEdsConfig()) {
		return
	}
	endpoints, ok := s.endpoints[c.GetName()]
	if !ok {
		s.errs = append(s.errs, fmt.Errorf("cluster %q asks for endpoints, which are not there", c.GetName()))
		return
	}
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.EdsClusterConfig = nil
	c.LoadAssignment = proto.Clone(endpoints).(*endpointv3.ClusterLoadAssignment)
}

func fromADS(source *corev3.ConfigSource) bool { return source.GetAds() != nil }
