package xds

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// DumpPath is the page of Envoy's admin interface that FromDump reads.
const DumpPath = "/config_dump?include_eds"

// FromDump gives the resources that an Envoy uses, from its page DumpPath: what it was sent and has taken. What its
// bootstrap brought, and what it has not warmed up yet, is left out. Of endpoints it knows addresses only; the rest of
// what such a page says about them is Envoy's own.
func FromDump(page []byte) (*Resources, error) {
	var sections struct {
		Configs []json.RawMessage `json:"configs"`
	}
	if err := json.Unmarshal(page, &sections); err != nil {
		return nil, fmt.Errorf("read a dump: %w", err)
	}
	d := &dump{out: &Resources{}}
	for _, text := range sections.Configs {
		if err := d.section(text); err != nil {
			return nil, fmt.Errorf("read a dump: %w", err)
		}
	}
	d.complete()
	d.out.sort()
	return d.out, nil
}

// dump is the work on one page.
type dump struct{ out *Resources }

// section reads one of the sections of the page that hold what a control plane sends. The others are the bootstrap and
// its like, with types that only Envoy has.
func (d *dump) section(text []byte) error {
	var typed struct {
		Type string `json:"@type"`
	}
	if err := json.Unmarshal(text, &typed); err != nil {
		return err
	}
	switch typed.Type {
	case typeURL(&adminv3.ListenersConfigDump{}):
		section := &adminv3.ListenersConfigDump{}
		return errors.Join(parse(text, section), d.listeners(section))
	case typeURL(&adminv3.RoutesConfigDump{}):
		section := &adminv3.RoutesConfigDump{}
		return errors.Join(parse(text, section), d.routes(section))
	case typeURL(&adminv3.ClustersConfigDump{}):
		section := &adminv3.ClustersConfigDump{}
		return errors.Join(parse(text, section), d.clusters(section))
	case typeURL(&adminv3.EndpointsConfigDump{}):
		section := &adminv3.EndpointsConfigDump{}
		return errors.Join(parse(text, section), d.endpoints(section))
	case typeURL(&adminv3.SecretsConfigDump{}):
		section := &adminv3.SecretsConfigDump{}
		err := parse(text, section)
		d.secrets(section)
		return err
	}
	return nil
}

func typeURL(m proto.Message) string {
	return "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName())
}

// parse is generous: another version of Envoy may say more than we know.
func parse(text []byte, section proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, section)
}

func (d *dump) listeners(section *adminv3.ListenersConfigDump) error {
	for _, l := range section.GetDynamicListeners() {
		if err := appendUnwrapped(&d.out.Listeners, l.GetActiveState().GetListener(), &listenerv3.Listener{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *dump) routes(section *adminv3.RoutesConfigDump) error {
	for _, r := range section.GetDynamicRouteConfigs() {
		if err := appendUnwrapped(&d.out.Routes, r.GetRouteConfig(), &routev3.RouteConfiguration{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *dump) clusters(section *adminv3.ClustersConfigDump) error {
	for _, c := range section.GetDynamicActiveClusters() {
		if err := appendUnwrapped(&d.out.Clusters, c.GetCluster(), &clusterv3.Cluster{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *dump) endpoints(section *adminv3.EndpointsConfigDump) error {
	for _, e := range section.GetDynamicEndpointConfigs() {
		if err := appendUnwrapped(&d.out.Endpoints, e.GetEndpointConfig(), &endpointv3.ClusterLoadAssignment{}); err != nil {
			return err
		}
	}
	return nil
}

// secrets are in the page with the content of their files, and without keys. What we sent is in their names.
func (d *dump) secrets(section *adminv3.SecretsConfigDump) {
	for _, s := range section.GetDynamicActiveSecrets() {
		switch certificate, authorities := mesh.SecretNamed(s.GetName()); {
		case certificate != nil:
			d.out.Secrets = append(d.out.Secrets, certificateFiles(*certificate))
		case authorities != nil:
			d.out.Secrets = append(d.out.Secrets, authoritiesFile(*authorities))
		}
	}
}

// appendUnwrapped appends the message in wrapped, unless there is none.
func appendUnwrapped[M proto.Message](list *[]M, wrapped *anypb.Any, into M) error {
	if wrapped == nil {
		return nil
	}
	if err := wrapped.UnmarshalTo(into); err != nil {
		return err
	}
	*list = append(*list, into)
	return nil
}

// complete leaves of the endpoints what we send, for those clusters that ask for them.
func (d *dump) complete() {
	dumped := map[string]*endpointv3.ClusterLoadAssignment{}
	for _, e := range d.out.Endpoints {
		dumped[e.GetClusterName()] = e
	}
	d.out.Endpoints = nil
	for _, c := range d.out.Clusters {
		if c.GetType() != clusterv3.Cluster_EDS {
			continue
		}
		out := &endpointv3.ClusterLoadAssignment{ClusterName: c.GetName()}
		for _, locality := range dumped[c.GetName()].GetEndpoints() {
			if len(locality.GetLbEndpoints()) > 0 {
				out.Endpoints = append(out.Endpoints, plainLocality(locality))
			}
		}
		d.out.Endpoints = append(d.out.Endpoints, out)
	}
}

func plainLocality(dumped *endpointv3.LocalityLbEndpoints) *endpointv3.LocalityLbEndpoints {
	out := &endpointv3.LocalityLbEndpoints{}
	for _, e := range dumped.GetLbEndpoints() {
		plain := &endpointv3.Endpoint{Address: e.GetEndpoint().GetAddress()}
		if check := e.GetEndpoint().GetHealthCheckConfig(); check.GetPortValue() != 0 {
			plain.HealthCheckConfig = check
		}
		out.LbEndpoints = append(out.LbEndpoints, &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: plain}})
	}
	// In the order of the model, whatever Envoy's is.
	slices.SortFunc(out.LbEndpoints, func(a, b *endpointv3.LbEndpoint) int {
		x, y := a.GetEndpoint().GetAddress().GetSocketAddress(), b.GetEndpoint().GetAddress().GetSocketAddress()
		return cmp.Or(cmp.Compare(x.GetAddress(), y.GetAddress()), cmp.Compare(x.GetPortValue(), y.GetPortValue()))
	})
	return out
}
