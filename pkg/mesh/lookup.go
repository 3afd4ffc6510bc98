package mesh

import (
	"cmp"
	"slices"
)

// Proxies lists the configurations that the model holds, sorted.
func (m *Model) Proxies() []ProxyID {
	ids := make([]ProxyID, 0, len(m.Nodes)+len(m.Gateways))
	// "VirtualGateway" sorts before "VirtualNode".
	for i := range m.Gateways {
		ids = append(ids, m.Gateways[i].ID)
	}
	for i := range m.Nodes {
		ids = append(ids, m.Nodes[i].ID)
	}
	return ids
}

// Node gives the configuration of a virtual node's sidecars, or nil.
func (m *Model) Node(id ProxyID) *Node {
	i, ok := slices.BinarySearchFunc(m.Nodes, id, func(n Node, id ProxyID) int { return n.ID.Compare(id) })
	if !ok {
		return nil
	}
	return &m.Nodes[i]
}

// Gateway gives the configuration of a virtual gateway's proxies, or nil.
func (m *Model) Gateway(id ProxyID) *Gateway {
	i, ok := slices.BinarySearchFunc(m.Gateways, id, func(g Gateway, id ProxyID) int { return g.ID.Compare(id) })
	if !ok {
		return nil
	}
	return &m.Gateways[i]
}

// Service gives a virtual service, or nil.
func (m *Model) Service(id ObjectRef) *Service {
	i, ok := slices.BinarySearchFunc(m.Services, id, func(s Service, id ObjectRef) int { return s.ID.Compare(id) })
	if !ok {
		return nil
	}
	return &m.Services[i]
}

// Cluster gives a cluster by its name, or nil.
func (m *Model) Cluster(name string) *Cluster {
	i, ok := slices.BinarySearchFunc(m.Clusters, name, func(c Cluster, name string) int { return cmp.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return &m.Clusters[i]
}

// EndpointsOf gives the addresses of a cluster; none for one that is resolved by DNS.
func (m *Model) EndpointsOf(cluster string) []Address {
	i, ok := slices.BinarySearchFunc(m.Endpoints, cluster, func(e Endpoints, name string) int { return cmp.Compare(e.Cluster, name) })
	if !ok {
		return nil
	}
	return m.Endpoints[i].Addresses
}

// Routers lists the virtual routers whose routes are in the configuration of a proxy, sorted.
func (m *Model) Routers(id ProxyID) []ObjectRef {
	var found []ObjectRef
	add := func(sources []ObjectRef) {
		for _, ref := range sources {
			if ref.Kind == KindVirtualRouter {
				found = append(found, ref)
			}
		}
	}
	if node := m.Node(id); node != nil {
		for _, port := range node.Egress {
			for _, host := range port.Hosts {
				if service := m.Service(host.Service); service != nil {
					add(service.Sources)
				}
			}
		}
	}
	if gateway := m.Gateway(id); gateway != nil {
		for _, listener := range gateway.Listeners {
			for _, host := range listener.Hosts {
				for _, route := range host.Routes {
					add(route.Sources)
				}
			}
		}
	}
	slices.SortFunc(found, ObjectRef.Compare)
	return slices.Compact(found)
}

// Port gives a port of the service, or nil.
func (s *Service) Port(port uint32) *ServicePort {
	for i := range s.Ports {
		if s.Ports[i].Port == port {
			return &s.Ports[i]
		}
	}
	return nil
}
