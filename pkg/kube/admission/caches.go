package admission

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// caches are what we know of the cluster.
type caches struct {
	meshes   *collection[appmeshv1beta2.Mesh]
	nodes    *collection[appmeshv1beta2.VirtualNode]
	services *collection[appmeshv1beta2.VirtualService]
	routers  *collection[appmeshv1beta2.VirtualRouter]
	gateways *collection[appmeshv1beta2.VirtualGateway]
	routes   *collection[appmeshv1beta2.GatewayRoute]
	groups   *collection[appmeshv1beta2.BackendGroup]
	canaries *collection[canaryv1beta1.Canary]
	hpas     *collection[autoscalingv2.HorizontalPodAutoscaler]

	metadata   metadata.Interface
	namespaces cache.SharedIndexInformer

	// relatives are all of these by what the rulebook asks for.
	relatives *relatives
}

func newCaches(config *rest.Config, log logr.Logger, counters *counters) (*caches, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server's priority and fairness decides; a limit here would hold up the pods of a burst
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for metadata: %w", err)
	}
	appmesh, flagger := appmeshv1beta2.GroupVersion, canaryv1beta1.GroupVersion
	c := &caches{metadata: meta}
	var errs [9]error
	c.meshes, errs[0] = newCollection[appmeshv1beta2.Mesh](client, appmesh.WithResource("meshes"), log, counters)
	c.nodes, errs[1] = newCollection[appmeshv1beta2.VirtualNode](client, appmesh.WithResource("virtualnodes"), log, counters)
	c.gateways, errs[2] = newCollection[appmeshv1beta2.VirtualGateway](client, appmesh.WithResource("virtualgateways"), log, counters)
	c.canaries, errs[3] = newCollection[canaryv1beta1.Canary](client, flagger.WithResource("canaries"), log, counters)
	c.hpas, errs[4] = newCollection[autoscalingv2.HorizontalPodAutoscaler](client, autoscalingv2.SchemeGroupVersion.WithResource("horizontalpodautoscalers"), log, counters)
	c.namespaces = metadatainformer.NewFilteredMetadataInformer(meta, namespacesResource, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
	c.services, errs[5] = newCollection[appmeshv1beta2.VirtualService](client, appmesh.WithResource("virtualservices"), log, counters)
	c.routers, errs[6] = newCollection[appmeshv1beta2.VirtualRouter](client, appmesh.WithResource("virtualrouters"), log, counters)
	c.routes, errs[7] = newCollection[appmeshv1beta2.GatewayRoute](client, appmesh.WithResource("gatewayroutes"), log, counters)
	c.groups, errs[8] = newCollection[appmeshv1beta2.BackendGroup](client, appmesh.WithResource("backendgroups"), log, counters)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	c.relatives, err = newRelatives(c)
	return c, err
}

var namespacesResource = corev1.SchemeGroupVersion.WithResource("namespaces")

// informers lists the caches by the name that a person would look for when one of them does not fill.
func (c *caches) informers() map[string]cache.SharedIndexInformer {
	return map[string]cache.SharedIndexInformer{
		"namespaces":                           c.namespaces,
		"meshes.appmesh.k8s.aws":               c.meshes.informer,
		"virtualnodes.appmesh.k8s.aws":         c.nodes.informer,
		"virtualservices.appmesh.k8s.aws":      c.services.informer,
		"virtualrouters.appmesh.k8s.aws":       c.routers.informer,
		"virtualgateways.appmesh.k8s.aws":      c.gateways.informer,
		"gatewayroutes.appmesh.k8s.aws":        c.routes.informer,
		"backendgroups.appmesh.k8s.aws":        c.groups.informer,
		"canaries.flagger.app":                 c.canaries.informer,
		"horizontalpodautoscalers.autoscaling": c.hpas.informer,
	}
}

// namespaceLabels returns the cached labels of a namespace; false if it is not there, or not yet.
func (c *caches) namespaceLabels(name string) (map[string]string, bool) {
	namespace, ok := c.namespace(name)
	if !ok {
		return nil, false
	}
	return namespace.Labels, true
}

// namespaceLeaving tells whether a namespace is being deleted, or is not there any more.
func (c *caches) namespaceLeaving(name string) bool {
	if name == "" {
		return false // of an object of the cluster
	}
	namespace, ok := c.namespace(name)
	return !ok || namespace.DeletionTimestamp != nil
}

func (c *caches) namespace(name string) (*metav1.PartialObjectMetadata, bool) {
	found, exists, err := c.namespaces.GetStore().GetByKey(name)
	if err != nil || !exists {
		return nil, false
	}
	namespace, ok := found.(*metav1.PartialObjectMetadata)
	return namespace, ok
}

// liveNamespaceLabels asks the API server.
func (c *caches) liveNamespaceLabels(ctx context.Context, name string) (map[string]string, error) {
	namespace, err := c.metadata.Resource(namespacesResource).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read namespace %s: %w", name, err)
	}
	return namespace.Labels, nil
}
