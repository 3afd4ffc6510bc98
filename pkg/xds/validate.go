package xds

import (
	"errors"
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
)

// Validate checks what Envoy would refuse: its constraints on fields, names that are there twice, and references to
// nothing. Envoy refuses a message as a whole, so that one bad resource would hold back every change of its proxy; what
// fails here is a bug of ours, and is better found before it is sent.
func (r *Resources) Validate() error {
	var errs []error
	clusters := map[string]bool{}
	for _, c := range r.Clusters {
		errs = append(errs, valid(c), once("cluster", c.GetName(), clusters))
	}
	for _, e := range r.Endpoints {
		errs = append(errs, valid(e))
	}
	listeners := map[string]bool{}
	for _, l := range r.Listeners {
		errs = append(errs, valid(l), once("listener", l.GetName(), listeners))
	}
	secrets := map[string]bool{}
	for _, s := range r.Secrets {
		errs = append(errs, valid(s), once("secret", s.GetName(), secrets))
	}
	tables := map[string]bool{}
	for _, table := range r.Routes {
		errs = append(errs, valid(table), once("route table", table.GetName(), tables), validTable(table, clusters))
	}
	return errors.Join(errs...)
}

func validTable(table *routev3.RouteConfiguration, clusters map[string]bool) error {
	var errs []error
	hosts, domains := map[string]bool{}, map[string]bool{}
	for _, host := range table.GetVirtualHosts() {
		errs = append(errs, once("virtual host", host.GetName(), hosts))
		for _, d := range host.GetDomains() {
			errs = append(errs, once("domain", d, domains))
		}
		for _, route := range host.GetRoutes() {
			for _, name := range clustersOf(route.GetRoute()) {
				if !clusters[name] {
					errs = append(errs, fmt.Errorf("route %q leads to cluster %q, which is not there", route.GetName(), name))
				}
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("route table %q: %w", table.GetName(), err)
	}
	return nil
}

func clustersOf(action *routev3.RouteAction) []string {
	var names []string
	if name := action.GetCluster(); name != "" {
		names = append(names, name)
	}
	for _, c := range action.GetWeightedClusters().GetClusters() {
		names = append(names, c.GetName())
	}
	return names
}

func once(kind, name string, seen map[string]bool) error {
	if seen[name] {
		return fmt.Errorf("%s %q is there twice", kind, name)
	}
	seen[name] = true
	return nil
}

// valid runs the constraints that are generated from Envoy's API.
func valid(m proto.Message) error {
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			return fmt.Errorf("%T: %w", m, err)
		}
	}
	return nil
}
