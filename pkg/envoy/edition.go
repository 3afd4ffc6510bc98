package envoy

import (
	"slices"
	"sync/atomic"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// edition is one content of the configuration of one proxy. Acknowledgements are kept by edition, because a version says
// only what the content is: a proxy that never asks for a resource that left, or came, would never reach the version.
type edition struct {
	// number tells the newer of two editions of one proxy.
	number uint64
	// routers are those whose routes are in the content, sorted.
	routers []mesh.ObjectRef
	// generations are the newest that gave this content. A change of a router that changes nothing here moves only
	// them, so whoever has the edition has that change at once.
	generations atomic.Pointer[mesh.Generations]
}

// holds tells that routes of a router are in the content.
func (e *edition) holds(router mesh.ObjectRef) bool {
	_, found := slices.BinarySearchFunc(e.routers, router, mesh.ObjectRef.Compare)
	return found
}

// generation returns that of a router in the content, or none.
func (e *edition) generation(router mesh.ObjectRef) mesh.Generation {
	if e == nil || !e.holds(router) {
		return mesh.Generation{}
	}
	if all := e.generations.Load(); all != nil {
		return (*all)[router]
	}
	return mesh.Generation{}
}

// older returns the older of two editions of one proxy; none is older than any.
func older(a, b *edition) *edition {
	if a == nil || b == nil {
		return nil
	}
	if a.number < b.number {
		return a
	}
	return b
}
