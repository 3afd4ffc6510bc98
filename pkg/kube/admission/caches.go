package admission

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// caches are what we know of the cluster.
type caches struct {
	meshes   *typed[appmeshv1beta2.Mesh]
	nodes    *typed[appmeshv1beta2.VirtualNode]
	services *typed[appmeshv1beta2.VirtualService]
	routers  *typed[appmeshv1beta2.VirtualRouter]
	gateways *typed[appmeshv1beta2.VirtualGateway]
	routes   *typed[appmeshv1beta2.GatewayRoute]

	// policy and selectorLabels are those of Options.
	policy         validate.Policy
	selectorLabels []string

	metadata   metadata.Interface
	namespaces *collection

	// collections are all caches by kind, these and those that only the rulebook looks at.
	collections map[string]*collection
	// relatives are all of them by what the rulebook asks for.
	relatives *relatives
}

// kept is a kind that is kept in a cache.
type kept struct {
	schema.GroupKind
	version string
	// metadata alone is kept, and sent.
	metadata bool
	// optional kinds may not be there, or not be for us to see: then their rules are silent.
	optional bool
}

// keeps is all that is cached. ConfigMaps and Secrets are seen only where somebody has allowed it: who may list the
// metadata of Secrets may list Secrets.
var keeps = []kept{
	{GroupKind: ofMesh(appmeshv1beta2.KindMesh), version: appmeshv1beta2.GroupVersion.Version},
	{GroupKind: ofMesh(appmeshv1beta2.KindVirtualNode), version: appmeshv1beta2.GroupVersion.Version},
	{GroupKind: ofMesh(appmeshv1beta2.KindVirtualService), version: appmeshv1beta2.GroupVersion.Version},
	{GroupKind: ofMesh(appmeshv1beta2.KindVirtualRouter), version: appmeshv1beta2.GroupVersion.Version},
	{GroupKind: ofMesh(appmeshv1beta2.KindVirtualGateway), version: appmeshv1beta2.GroupVersion.Version},
	{GroupKind: ofMesh(appmeshv1beta2.KindGatewayRoute), version: appmeshv1beta2.GroupVersion.Version},
	{GroupKind: ofMesh(appmeshv1beta2.KindBackendGroup), version: appmeshv1beta2.GroupVersion.Version},
	{GroupKind: schema.GroupKind{Kind: "Namespace"}, version: "v1", metadata: true},

	{GroupKind: schema.GroupKind{Group: "flagger.app", Kind: "Canary"}, version: "v1beta1"},
	{GroupKind: schema.GroupKind{Group: "flagger.app", Kind: "MetricTemplate"}, version: "v1beta1"},
	{GroupKind: schema.GroupKind{Group: "flagger.app", Kind: "AlertProvider"}, version: "v1beta1"},
	{GroupKind: schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}, version: "v2"},
	{GroupKind: schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}, version: "v1alpha1", optional: true},
	{GroupKind: schema.GroupKind{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"}, version: "v1", optional: true},
	{GroupKind: schema.GroupKind{Group: "apps", Kind: "Deployment"}, version: "v1"},
	{GroupKind: schema.GroupKind{Group: "apps", Kind: "DaemonSet"}, version: "v1"},
	{GroupKind: schema.GroupKind{Kind: "Service"}, version: "v1"},
	{GroupKind: schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}, version: "v1"},
	{GroupKind: schema.GroupKind{Kind: "ResourceQuota"}, version: "v1"},
	{GroupKind: schema.GroupKind{Kind: "ConfigMap"}, version: "v1", metadata: true, optional: true},
	{GroupKind: schema.GroupKind{Kind: "Secret"}, version: "v1", metadata: true, optional: true},
}

func ofMesh(kind string) schema.GroupKind {
	return schema.GroupKind{Group: appmeshv1beta2.GroupVersion.Group, Kind: kind}
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
	c := &caches{metadata: meta, collections: map[string]*collection{}}
	var errs []error
	for _, k := range keeps {
		collection, err := k.collection(clients{client, meta}, log, counters)
		c.collections[k.Kind], errs = collection, append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.namespaces = c.collections["Namespace"]
	c.meshes = &typed[appmeshv1beta2.Mesh]{c.collections[appmeshv1beta2.KindMesh], client}
	c.nodes = &typed[appmeshv1beta2.VirtualNode]{c.collections[appmeshv1beta2.KindVirtualNode], client}
	c.services = &typed[appmeshv1beta2.VirtualService]{c.collections[appmeshv1beta2.KindVirtualService], client}
	c.routers = &typed[appmeshv1beta2.VirtualRouter]{c.collections[appmeshv1beta2.KindVirtualRouter], client}
	c.gateways = &typed[appmeshv1beta2.VirtualGateway]{c.collections[appmeshv1beta2.KindVirtualGateway], client}
	c.routes = &typed[appmeshv1beta2.GatewayRoute]{c.collections[appmeshv1beta2.KindGatewayRoute], client}
	c.relatives, err = newRelatives(c.collections)
	return c, err
}

// collection makes the cache of a kind.
func (k kept) collection(from clients, log logr.Logger, counters *counters) (*collection, error) {
	kind, known := validate.KindOf(k.GroupKind)
	if !known {
		return nil, fmt.Errorf("the rulebook has no kind %s", k.GroupKind)
	}
	make := newCollection
	if k.metadata {
		make = newMetadataCollection
	}
	c, err := make(from, kind, k.version, log, counters)
	if err == nil && k.optional {
		err = c.mayBeAbsent()
	}
	return c, err
}

// namespaceLabels returns the cached labels of a namespace; false if it is not there, or not yet.
func (c *caches) namespaceLabels(name string) (map[string]string, bool) {
	namespace := c.namespaces.cached("", name)
	if namespace == nil {
		return nil, false
	}
	return namespace.GetLabels(), true
}

// namespaceLeaving tells whether a namespace is being deleted, or is not there any more.
func (c *caches) namespaceLeaving(name string) bool {
	if name == "" {
		return false // of an object of the cluster
	}
	namespace := c.namespaces.cached("", name)
	return namespace == nil || namespace.GetDeletionTimestamp() != nil
}

// liveNamespace asks the API server.
func (c *caches) liveNamespace(ctx context.Context, name string) (metav1.Object, error) {
	return c.namespaces.read(ctx, "", name)
}
