package mesh

// ClustersOf maps the names of the clusters by which callers reach virtual nodes to the node of each. Nodes that the model
// does not hold have none.
func (m *Model) ClustersOf(nodes map[ObjectRef]bool) map[string]ObjectRef {
	out := map[string]ObjectRef{}
	for i := range m.Clusters {
		for _, source := range m.Clusters[i].Sources {
			if nodes[source] {
				out[m.Clusters[i].Name] = source
			}
		}
	}
	return out
}
