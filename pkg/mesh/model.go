package mesh

// Model is the mesh as we serve it.
type Model struct {
	Nodes     []Node      `json:"nodes,omitempty"`
	Gateways  []Gateway   `json:"gateways,omitempty"`
	Endpoints []Endpoints `json:"endpoints,omitempty"`
}

// Node is the configuration of the sidecars of one virtual node.
type Node struct {
	ID ProxyID `json:"id"`
}

// Gateway is the configuration of the proxies of one virtual gateway.
type Gateway struct {
	ID ProxyID `json:"id"`
}

// Endpoints are the addresses behind one cluster.
type Endpoints struct {
	Cluster string `json:"cluster"`
}

// Proxies lists the configurations that the model holds, sorted.
func (m *Model) Proxies() []ProxyID {
	ids := make([]ProxyID, 0, len(m.Nodes)+len(m.Gateways))
	for i := range m.Gateways {
		ids = append(ids, m.Gateways[i].ID)
	}
	for i := range m.Nodes {
		ids = append(ids, m.Nodes[i].ID)
	}
	return ids
}
