package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// How long changes are gathered before the model is built again.
const (
	quietPeriod  = 20 * time.Millisecond
	burstCeiling = 200 * time.Millisecond
)

// Publisher takes the configuration of all proxies, made from a model; those it is not given are gone.
type Publisher interface {
	Publish(*mesh.Model, map[mesh.ProxyID]*xds.Resources) error
}

// Config is what a Controller needs. All fields but IPv6, Log and Metrics are required.
type Config struct {
	REST *rest.Config
	// ClusterDomain is the DNS suffix of Services, usually cluster.local.
	ClusterDomain string
	// IPv6 says that the cluster gives its pods IPv6 addresses.
	IPv6 bool
	// Namespace holds the Lease; LeaseName and Identity are its name and this replica's name in it.
	Namespace, LeaseName, Identity string
	// Bundle returns the certificates that sign mesh's serving certificate, PEM. It is asked regularly.
	Bundle    func() ([]byte, error)
	Publisher Publisher
	// Proxies tells what proxies refuse; without it nobody learns of that.
	Proxies Proxies
	Log     *slog.Logger
	// Metrics gets what is counted about what App Mesh left; nil means nobody.
	Metrics prometheus.Registerer
}

// Controller keeps what is published in step with the cluster.
type Controller struct {
	config  Config
	log     *slog.Logger
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	pods    metadata.Getter
	sources *sources
	metrics *metrics
	// changed and moved wake the runtime: an object of the model, or an endpoint. written wakes the writer. One pending
	// signal stands for any number of changes.
	changed, moved, written chan struct{}
	// last is the last build, for the writer.
	last  atomic.Pointer[build]
	ready atomic.Bool
}

// New returns a controller that does nothing yet.
func New(config Config) (*Controller, error) {
	kube, err := kubernetes.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	meta, err := metadata.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	sources, err := newSources(kube, dyn, meta)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &Controller{
		config: config, log: config.Log, kube: kube, dynamic: dyn,
		pods:    meta.Resource(corev1.SchemeGroupVersion.WithResource("pods")),
		sources: sources, metrics: newMetrics(config.Metrics), changed: make(chan struct{}, 1), moved: make(chan struct{}, 1), written: make(chan struct{}, 1),
	}, nil
}

// Ready tells whether this replica serves the cluster as it is: the caches were filled and the first configuration is published.
func (c *Controller) Ready() bool { return c.ready.Load() }

// signal wakes whoever reads ch, without waiting.
func signal(ch chan struct{}) func() {
	return func() {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Run is the whole runtime. It returns when ctx is done.
func (c *Controller) Run(ctx context.Context) error {
	if err := c.sources.start(ctx, signal(c.changed), signal(c.moved), signal(c.written)); err != nil {
		return fmt.Errorf("fill the caches: %w", err)
	}
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		c.lead(ctx)
	}()
	burst := debounce{quiet: quietPeriod, ceiling: burstCeiling}
	build := time.NewTimer(0)
	defer build.Stop()
	var model *mesh.Model
	// One of four things can happen:
	for {
		select {
		// 1. The process stops. The writer gives up its Lease before we return.
		case <-ctx.Done():
			<-writing
			return nil
		// 2. An object changed that the model is made of: wait for the end of the burst, at most until its ceiling.
		case <-c.changed:
			model = nil
			build.Reset(burst.hit(time.Now()))
		// 3. Endpoints changed, which the rest of the model does not depend on: the same, but the model can stay.
		case <-c.moved:
			build.Reset(burst.hit(time.Now()))
		// 4. The burst is over (or the process just started): build what is outdated, and publish.
		case <-build.C:
			burst.reset()
			model = c.rebuild(ctx, model)
		}
	}
}

// rebuild publishes the cluster as it is now and returns its model. kept is the last model if nothing but endpoints
// changed since, else nil.
func (c *Controller) rebuild(ctx context.Context, kept *mesh.Model) *mesh.Model {
	start := time.Now()
	snapshot, broken := c.snapshot()
	if snapshot.NeedsPods() {
		if !c.sources.watchInstances(ctx, signal(c.changed), signal(c.moved)) {
			// What is published stays for the moment: without the pods, a virtual node would lose all its endpoints.
			return nil
		}
		snapshot.Pods = listed[*mesh.Pod](c.sources.instances)
	}
	if kept != nil {
		model := *kept
		model.Endpoints = mesh.BuildEndpoints(snapshot, kept)
		// Most endpoints of a cluster belong to Services that no mesh knows.
		if !reflect.DeepEqual(model.Endpoints, kept.Endpoints) {
			c.publish(&model)
			c.log.Debug("endpoints published", "took", time.Since(start))
		}
		return &model
	}
	model, problems := mesh.Build(snapshot)
	c.publish(model)
	c.last.Store(&build{snapshot, problems, broken})
	signal(c.written)()
	c.log.Debug("published", "problems", len(problems)+len(broken), "took", time.Since(start))
	return model
}

// publish hands the configuration of every proxy over. An error is a bug of ours, and one proxy's bug is not the
// others' problem: what cannot be translated is left out, and its pods keep what they have.
func (c *Controller) publish(model *mesh.Model) {
	all := make(map[mesh.ProxyID]*xds.Resources)
	for _, id := range model.Proxies() {
		resources, err := xds.Translate(model, id)
		if err != nil {
			c.log.Error("translate", "proxy", id.String(), "error", err)
			continue
		}
		all[id] = resources
	}
	if err := c.config.Publisher.Publish(model, all); err != nil {
		c.log.Error("publish", "error", err)
		return
	}
	if c.ready.CompareAndSwap(false, true) {
		c.log.Info("first configuration published", "proxies", len(all))
	}
}

// snapshot gathers the stores, but for the pods. What could not be decoded comes apart.
func (c *Controller) snapshot() (mesh.Snapshot, []*undecodable) {
	s := c.sources
	out := mesh.Snapshot{
		ClusterDomain:   c.config.ClusterDomain,
		IPv6:            c.config.IPv6,
		Meshes:          listed[*appmeshv1beta2.Mesh](s.mesh[appmeshv1beta2.KindMesh]),
		VirtualNodes:    listed[*appmeshv1beta2.VirtualNode](s.mesh[appmeshv1beta2.KindVirtualNode]),
		VirtualServices: listed[*appmeshv1beta2.VirtualService](s.mesh[appmeshv1beta2.KindVirtualService]),
		VirtualRouters:  listed[*appmeshv1beta2.VirtualRouter](s.mesh[appmeshv1beta2.KindVirtualRouter]),
		VirtualGateways: listed[*appmeshv1beta2.VirtualGateway](s.mesh[appmeshv1beta2.KindVirtualGateway]),
		GatewayRoutes:   listed[*appmeshv1beta2.GatewayRoute](s.mesh[appmeshv1beta2.KindGatewayRoute]),
		BackendGroups:   listed[*appmeshv1beta2.BackendGroup](s.mesh[appmeshv1beta2.KindBackendGroup]),
		Namespaces:      listed[*corev1.Namespace](s.namespaces),
		Services:        listed[*corev1.Service](s.services),
		EndpointSlices:  listed[*discoveryv1.EndpointSlice](s.slices),
	}
	var broken []*undecodable
	for _, informer := range s.mesh {
		broken = append(broken, listed[*undecodable](informer)...)
	}
	return out, broken
}
