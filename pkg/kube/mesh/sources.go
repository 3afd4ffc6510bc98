package mesh

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// resync is off: an informer repeats nothing, everything is rebuilt from its store anyway.
const resync = 0 * time.Second

// meshKinds are the plurals of App Mesh's kinds.
var meshKinds = map[string]string{
	appmeshv1beta2.KindMesh:           "meshes",
	appmeshv1beta2.KindVirtualNode:    "virtualnodes",
	appmeshv1beta2.KindVirtualService: "virtualservices",
	appmeshv1beta2.KindVirtualRouter:  "virtualrouters",
	appmeshv1beta2.KindVirtualGateway: "virtualgateways",
	appmeshv1beta2.KindGatewayRoute:   "gatewayroutes",
	appmeshv1beta2.KindBackendGroup:   "backendgroups",
}

func meshResource(kind string) schema.GroupVersionResource {
	return appmeshv1beta2.GroupVersion.WithResource(meshKinds[kind])
}

// sources are the watches. Each store holds what its transform left of an object, already decoded.
type sources struct {
	// mesh is keyed by kind. The objects are those of the API package, or *undecodable.
	mesh                                            map[string]cache.SharedIndexInformer
	namespaces, services, slices, pods, proxyConfig cache.SharedIndexInformer
	// instances are all pods, as *mesh.Pod. They are watched from when a virtual node is found by its pods: see watchInstances.
	instances cache.SharedIndexInformer
	watching  sync.Once
}

func newSources(kube kubernetes.Interface, dyn dynamic.Interface, meta metadata.Interface) (*sources, error) {
	s := &sources{mesh: map[string]cache.SharedIndexInformer{}}
	for kind := range meshKinds {
		// Dynamic, because a typed list fails as a whole on one object that does not decode.
		informer := dynamicinformer.NewFilteredDynamicInformer(dyn, meshResource(kind), metav1.NamespaceAll, resync, cache.Indexers{}, nil).Informer()
		if err := informer.SetTransform(decode); err != nil {
			return nil, err
		}
		s.mesh[kind] = informer
	}
	typed := informers.NewSharedInformerFactory(kube, resync)
	s.services = typed.Core().V1().Services().Informer()
	s.slices = typed.Discovery().V1().EndpointSlices().Informer()
	s.instances = typed.Core().V1().Pods().Informer()
	s.proxyConfig = informers.NewSharedInformerFactoryWithOptions(kube, resync, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, sluice.ProxyConfigMap).String()
	})).Core().V1().ConfigMaps().Informer()
	s.namespaces = metadatainformer.NewFilteredMetadataInformer(meta, corev1.SchemeGroupVersion.WithResource("namespaces"),
		metav1.NamespaceAll, resync, cache.Indexers{}, nil).Informer()
	s.pods = metadatainformer.NewFilteredMetadataInformer(meta, corev1.SchemeGroupVersion.WithResource("pods"),
		metav1.NamespaceAll, resync, cache.Indexers{}, func(o *metav1.ListOptions) { o.LabelSelector = sluice.LabelProxy }).Informer()
	for informer, transform := range map[cache.SharedIndexInformer]cache.TransformFunc{
		s.services: trim, s.slices: trim, s.proxyConfig: trim, s.pods: trimPod, s.namespaces: namespaceOf,
		s.instances: instanceOf,
	} {
		if err := informer.SetTransform(transform); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// all lists every watch that always runs.
func (s *sources) all() []cache.SharedIndexInformer {
	out := []cache.SharedIndexInformer{s.namespaces, s.services, s.slices, s.pods, s.proxyConfig}
	for _, informer := range s.mesh {
		out = append(out, informer)
	}
	return out
}

// start begins to watch and waits until every store is filled. changed is told about objects that the model is made of,
// moved about endpoints, config about our ConfigMaps.
func (s *sources) start(ctx context.Context, changed, moved, config func()) error {
	for _, informer := range s.all() {
		notify := changed
		switch informer {
		case s.pods:
			notify = nil
		case s.slices:
			notify = moved
		case s.proxyConfig:
			notify = config
		}
		if notify != nil {
			if _, err := informer.AddEventHandler(notifier(notify)); err != nil {
				return fmt.Errorf("watch: %w", err)
			}
		}
		go informer.Run(ctx.Done())
	}
	for _, informer := range s.all() {
		if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// watchInstances begins to watch all pods, once, and tells whether their store is filled. If it is not, filled is told
// when it is; moved is told about changes. The watch goes on until ctx is done, even if nobody needs it any more: it costs
// memory, and whoever had such a virtual node will have one again.
func (s *sources) watchInstances(ctx context.Context, filled, moved func()) bool {
	s.watching.Do(func() {
		handler := cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { moved() },
			UpdateFunc: func(old, new any) {
				a, okA := old.(*mesh.Pod)
				b, okB := new.(*mesh.Pod)
				if !okA || !okB || !a.Same(b) {
					moved()
				}
			},
			DeleteFunc: func(any) { moved() },
		}
		// It fails only for an informer that has stopped.
		_, _ = s.instances.AddEventHandler(handler)
		go s.instances.Run(ctx.Done())
		go func() {
			if cache.WaitForCacheSync(ctx.Done(), s.instances.HasSynced) {
				filled()
			}
		}()
	})
	return s.instances.HasSynced()
}

// notifier calls f for every change that is one. Objects come back unchanged when a watch is opened again.
func notifier(f func()) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { f() },
		UpdateFunc: func(old, new any) {
			if !sameVersion(old, new) {
				f()
			}
		},
		DeleteFunc: func(any) { f() },
	}
}

func sameVersion(old, new any) bool {
	a, okA := old.(metav1.Object)
	b, okB := new.(metav1.Object)
	return okA && okB && a.GetResourceVersion() == b.GetResourceVersion() && a.GetUID() == b.GetUID()
}

// pod returns the metadata of an injected pod, if the cache has it.
func (s *sources) pod(namespace, name string) (*metav1.PartialObjectMetadata, bool) {
	obj, ok, err := s.pods.GetStore().GetByKey(namespace + "/" + name)
	if err != nil || !ok {
		return nil, false
	}
	pod, ok := obj.(*metav1.PartialObjectMetadata)
	return pod, ok
}

// trim drops what nobody reads and what is often most of an object.
func trim(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
	}
	return obj, nil
}

// trimPod leaves of a pod its identity and its binding.
func trimPod(obj any) (any, error) {
	pod, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	out := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
		Labels: map[string]string{sluice.LabelProxy: pod.Labels[sluice.LabelProxy]}, Annotations: map[string]string{},
	}}
	for _, key := range []string{sluice.AnnotationVirtualNode, sluice.AnnotationVirtualGateway} {
		if value, ok := pod.Annotations[key]; ok {
			out.Annotations[key] = value
		}
	}
	return out, nil
}

// instanceOf leaves of a pod what the model takes.
func instanceOf(obj any) (any, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	return mesh.PodOf(pod), nil
}

// namespaceOf turns metadata into the type that the model takes.
func namespaceOf(obj any) (any, error) {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: meta.Name, UID: meta.UID, ResourceVersion: meta.ResourceVersion, Labels: meta.Labels,
		CreationTimestamp: meta.CreationTimestamp, DeletionTimestamp: meta.DeletionTimestamp,
	}}, nil
}

// listed returns the objects of a store that have a type.
func listed[T any](informer cache.SharedIndexInformer) []T {
	var out []T
	for _, obj := range informer.GetStore().List() {
		if o, ok := obj.(T); ok {
			out = append(out, o)
		}
	}
	return out
}
