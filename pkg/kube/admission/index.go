package admission

import (
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/cache"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/inject"
)

// selectors keeps the index of what selects pods in step with the caches.
type selectors struct {
	caches *caches
	log    logr.Logger
	index  *inject.Index
	// mu makes "read the caches, then write the index" one step. Events of meshes and of their members come from
	// different goroutines; without it the older of two readings could be written last.
	mu sync.Mutex
	// registered tell when the initial objects have gone through the handlers, which is later than in the caches.
	registered map[string]cache.ResourceEventHandlerRegistration
}

func newSelectors(caches *caches, log logr.Logger) (*selectors, error) {
	s := &selectors{caches: caches, log: log, index: &inject.Index{}, registered: map[string]cache.ResourceEventHandlerRegistration{}}
	for _, watch := range []struct {
		name     string
		informer cache.SharedIndexInformer
		changed  func(namespace, name string)
	}{
		{"virtualnodes.appmesh.k8s.aws", caches.nodes.informer, s.nodeChanged},
		{"virtualgateways.appmesh.k8s.aws", caches.gateways.informer, s.gatewayChanged},
		{"meshes.appmesh.k8s.aws", caches.meshes.informer, s.meshChanged},
	} {
		handler, err := watch.informer.AddEventHandler(onChange(watch.changed))
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", watch.name, err)
		}
		s.registered[watch.name] = handler
	}
	return s, nil
}

// onChange reduces events to "this object has changed"; what it is now is read from the cache.
func onChange(changed func(namespace, name string)) cache.ResourceEventHandler {
	notify := func(object any) {
		key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object)
		if err != nil {
			return
		}
		namespace, name, err := cache.SplitMetaNamespaceKey(key)
		if err == nil {
			changed(namespace, name)
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: notify, UpdateFunc: func(_, object any) { notify(object) }, DeleteFunc: notify}
}

func (s *selectors) nodeChanged(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if node := s.caches.nodes.get(namespace, name); node != nil {
		s.set(s.index, inject.NodeCandidate(node, s.meshName(node.Spec.MeshRef)))
		return
	}
	s.index.Delete(inject.KindVirtualNode, namespace, name)
}

func (s *selectors) gatewayChanged(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gateway := s.caches.gateways.get(namespace, name); gateway != nil {
		s.set(s.index, inject.GatewayCandidate(gateway, s.meshName(gateway.Spec.MeshRef)))
		return
	}
	s.index.Delete(inject.KindVirtualGateway, namespace, name)
}

// meshChanged writes the members of a mesh again, because the mesh's own name is part of theirs.
func (s *selectors) meshChanged(_, mesh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, node := range s.caches.nodes.all() {
		if ref := node.Spec.MeshRef; ref != nil && ref.Name == mesh {
			s.set(s.index, inject.NodeCandidate(node, s.meshName(node.Spec.MeshRef)))
		}
	}
	for _, gateway := range s.caches.gateways.all() {
		if ref := gateway.Spec.MeshRef; ref != nil && ref.Name == mesh {
			s.set(s.index, inject.GatewayCandidate(gateway, s.meshName(gateway.Spec.MeshRef)))
		}
	}
}

func (s *selectors) set(index *inject.Index, candidate inject.Candidate) {
	if err := index.Set(candidate); err != nil {
		s.log.Error(err, "an object selects no pod", "kind", candidate.Kind, "namespace", candidate.Namespace, "name", candidate.Name)
	}
}

// meshName spells the mesh of a member the way proxies do. A mesh that is not known goes by the name of its object,
// which is what its own name is unless somebody said otherwise.
func (s *selectors) meshName(ref *appmeshv1beta2.MeshReference) string {
	if ref == nil {
		return "" // in no mesh: no pod is bound to it
	}
	mesh := s.caches.meshes.get("", ref.Name)
	if mesh == nil {
		return ref.Name
	}
	name := or(mesh.Spec.AWSName, mesh.Name)
	if owner := or(mesh.Spec.MeshOwner, ""); owner != "" {
		name += "@" + owner
	}
	return name
}

// of builds an index of its own, for objects that were read live.
func (s *selectors) of(nodes []*appmeshv1beta2.VirtualNode, gateways []*appmeshv1beta2.VirtualGateway) *inject.Index {
	index := &inject.Index{}
	for _, node := range nodes {
		s.set(index, inject.NodeCandidate(node, s.meshName(node.Spec.MeshRef)))
	}
	for _, gateway := range gateways {
		s.set(index, inject.GatewayCandidate(gateway, s.meshName(gateway.Spec.MeshRef)))
	}
	return index
}

// or is the value, or what stands for an unset one.
func or(value *string, unset string) string {
	if value == nil || *value == "" {
		return unset
	}
	return *value
}
