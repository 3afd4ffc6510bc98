package canary

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/kube/audit"
	"github.com/sluice-mesh/sluice/pkg/notify/alert"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// Options are what the shell needs besides Kubernetes.
type Options struct {
	// Log gets one line per event, with the event's text as its message.
	Log *slog.Logger
	// Stats reads Envoys; nil leaves the built-in metrics without data.
	Stats StatsReader
	// Hooks calls webhooks.
	Hooks HookCaller
	// EventWebhook is told every event of a Canary without a webhook of the type event; empty for none.
	EventWebhook string
	// Alerts tells people; nil sends no alerts.
	Alerts Alerter
	// GlobalAlert is where alerts of Canaries without analysis.alerts go; nil for nowhere.
	GlobalAlert *alert.Destination
	// ClusterName is told in every alert; empty for none.
	ClusterName string
	// Metrics asks metric providers; nil makes every metric that needs one fail.
	Metrics MetricReader
	// MetricsServer is the Prometheus of inline queries whose Canary names no metricsServer; empty for none.
	MetricsServer string
	// NoCrossNamespaceRefs refuses references from a Canary into another namespace.
	NoCrossNamespaceRefs bool
	// Proxies asks mesh who has a router's weights; nil counts a weight as in force once it is written.
	Proxies ProxyReader
	// Callers asks mesh what callers counted; nil judges by the pods' own counters alone.
	Callers CallerReader
	// Workers is how many Canaries are looked at at the same time; zero means 4.
	Workers int
	// PollInterval is the time between two readings of a pod's Envoy; zero means one second.
	PollInterval time.Duration
	// Version is told to Prometheus.
	Version string
	// TrackConfigs makes the ConfigMaps and Secrets that a target's pods read part of its revisions.
	TrackConfigs bool
	// MaxRollouts is how many rollouts may run at the same time; zero for any number. Starts wait for their turn.
	MaxRollouts int
	// Namespaces are those that are looked after; none means all. CacheOptions must have the same.
	Namespaces []string
	// Policy is what the owners of the cluster say about the rulebook.
	Policy validate.Policy
	// SelectorLabels are the labels that can tell the target's pods from the primary's; none means canary.SelectorLabels.
	SelectorLabels []string
	// LabelPrefixes are the prefixes of a target's labels that its primary gets too; none means all labels.
	LabelPrefixes []string

	// Clock is the real one unless a test brings another. Timers, polls and decisions follow it.
	Clock clock.WithTicker
	// Registry gets the metrics; nil means controller-runtime's, which the manager serves.
	Registry prometheus.Registerer
	// Name tells two shells of one process apart, in tests; empty means canary.
	Name string
}

// CacheOptions limits the caches of the manager to what the shell reads: no managed fields, only pods with an Envoy of
// ours, only revisions that we keep, of endpoints only whose they are.
func CacheOptions(namespaces ...string) cache.Options {
	proxied, err := labels.NewRequirement(sluice.LabelProxy, selection.Exists, nil)
	if err != nil {
		panic(err) // the label is a constant
	}
	options := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		// What the store hands out is shared and never changed, so copying each object at each look is waste.
		DefaultUnsafeDisableDeepCopy: ptr.To(true),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                {Label: labels.NewSelector().Add(*proxied), Transform: slimPod},
			&discoveryv1.EndpointSlice{}: {Transform: slimSlice},
			empty(kindControllerRevision): {
				Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": sluice.ManagedBy}),
			},
			empty(kindCanary): {Transform: slimCanary},
			&coordinationv1.Lease{}: {
				Field:      fields.OneTermEqualSelector("metadata.name", flaggerLease),
				Namespaces: map[string]cache.Config{cache.AllNamespaces: {}},
			},
			metadataOf(kindNamespace): {Transform: slimNamespace},
			metadataOf(kindConfigMap): {Transform: slimConfig},
			metadataOf(kindSecret):    {Transform: slimConfig},
		},
	}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// ClientOptions makes the manager's client read unstructured objects from the caches.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{Unstructured: true}}
}

// Add puts the shell into a manager. It works only while the manager leads, but its caches are warm before.
func Add(ctx context.Context, mgr manager.Manager, o Options) error {
	o = o.withDefaults()
	clientset, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("make a client for events: %w", err)
	}
	counters := newCounters(o.Registry)
	s := &shell{
		store:        newStore(mgr.GetClient()),
		clock:        o.Clock,
		pollInterval: o.PollInterval,
		log:          o.Log,
		stats:        o.Stats,
		hooks:        o.Hooks,
		metrics:      o.Metrics,
		proxies:      o.Proxies,
		callerReader: o.Callers,
		events: &events{log: o.Log, writer: newEventWriter(clientset.CoreV1(), o.Clock, o.Log, func(result string) {
			counters.events.WithLabelValues(result).Inc()
		})},
		gauges:     newGauges(o.Registry),
		counters:   counters,
		secrets:    newSecrets(mgr.GetAPIReader(), o.Clock),
		index:      newIndex(),
		sessions:   newSessions(),
		background: ctx,

		alerts: o.Alerts, globalAlert: o.GlobalAlert, clusterName: o.ClusterName, eventWebhook: o.EventWebhook,
		metricsServer: o.MetricsServer, noCrossNamespaceRefs: o.NoCrossNamespaceRefs,
		turns:          newTurns(o.MaxRollouts),
		policy:         o.Policy,
		selectorLabels: o.SelectorLabels, labelPrefixes: o.LabelPrefixes,
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
			workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{Name: o.Name, Clock: o.Clock}),
	}
	if o.TrackConfigs {
		s.configs = newConfigs(mgr.GetAPIReader())
	}
	s.gauges.info.WithLabelValues(o.Version, "appmesh:v1beta2").Set(1)
	if s.rulebook, err = audit.Add(mgr, audit.Options{
		Log: o.Log, World: validate.World{Policy: o.Policy, SelectorLabels: o.SelectorLabels}, Namespaces: o.Namespaces, Configs: o.TrackConfigs, Changed: s.wake,
		Clock: o.Clock, Registry: o.Registry, Name: o.Name + "-audit",
	}); err != nil {
		return err
	}
	ctl, err := controller.New(o.Name, mgr, controller.Options{
		Reconciler:              s,
		MaxConcurrentReconciles: o.Workers,
		// The standby's caches are warm, so that it can go on within seconds.
		EnableWarmup: ptr.To(true),
		// Our own queue, because hooks and polls put Canaries into it too, and because its clock is ours.
		NewQueue: func(string, workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
			return s.queue
		},
		SkipNameValidation: ptr.To(o.Name != defaultName),
	})
	if err != nil {
		return fmt.Errorf("make the controller: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		s.work.stop() // hooks and polls end with the background context
		s.events.writer.close()
		return nil
	})); err != nil {
		return fmt.Errorf("add the shell: %w", err)
	}
	if err := s.keepConditions(mgr, o.Name); err != nil {
		return err
	}
	if err := labelNamespaces(mgr, o.Name, o.Namespaces); err != nil {
		return err
	}
	return s.watch(mgr, ctl)
}

const (
	defaultName = "canary"
	// firstRetry and lastRetry bound the pause after a pass that failed. Retries are for API servers in trouble; a
	// release must not wait long behind one.
	firstRetry = 20 * time.Millisecond
	lastRetry  = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = defaultName
	}
	if o.Workers <= 0 {
		o.Workers = 4
	}
	if o.PollInterval <= 0 {
		o.PollInterval = time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Registry == nil {
		o.Registry = metrics.Registry
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// empty is an object of a kind, to name the kind to the libraries.
func empty(kind schema.GroupVersionKind) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	return u
}

// metadataOf names a kind of which only the metadata is wanted.
func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(kind)
	return meta
}

// slimNamespace keeps of a namespace its labels.
func slimNamespace(object any) (any, error) {
	meta, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	return &metav1.PartialObjectMetadata{TypeMeta: meta.TypeMeta, ObjectMeta: slimMeta(meta)}, nil
}

// slimConfig keeps of a ConfigMap or Secret which version it is, whose, and whether it is tracked.
func slimConfig(object any) (any, error) {
	meta, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	slim := &metav1.PartialObjectMetadata{TypeMeta: meta.TypeMeta, ObjectMeta: slimMeta(meta)}
	slim.Labels, slim.OwnerReferences = nil, meta.OwnerReferences
	if value, ok := meta.Annotations[canary.AnnotationConfigTracking]; ok {
		slim.Annotations = map[string]string{canary.AnnotationConfigTracking: value}
	}
	return slim, nil
}

// slimPod keeps of a pod what polling needs, and what tells whether it has to have the weights.
func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	slim := &corev1.Pod{
		TypeMeta:   pod.TypeMeta,
		ObjectMeta: slimMeta(pod),
		Status:     corev1.PodStatus{Phase: pod.Status.Phase, PodIP: pod.Status.PodIP},
	}
	slim.Annotations = map[string]string{}
	for _, key := range []string{sluice.AnnotationVirtualNode, sluice.AnnotationVirtualGateway} {
		if value, bound := pod.Annotations[key]; bound {
			slim.Annotations[key] = value
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			slim.Status.Conditions = append(slim.Status.Conditions, corev1.PodCondition{Type: condition.Type, Status: condition.Status})
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if crashLooping(status) {
			slim.Status.ContainerStatuses = append(slim.Status.ContainerStatuses, corev1.ContainerStatus{Name: status.Name, State: status.State})
		}
	}
	return slim, nil
}

// slimSlice keeps of endpoints whose they are and whether they are ready.
func slimSlice(object any) (any, error) {
	slice, ok := object.(*discoveryv1.EndpointSlice)
	if !ok {
		return object, nil
	}
	slim := &discoveryv1.EndpointSlice{TypeMeta: slice.TypeMeta, ObjectMeta: slimMeta(slice), AddressType: slice.AddressType}
	for _, endpoint := range slice.Endpoints {
		slim.Endpoints = append(slim.Endpoints, discoveryv1.Endpoint{
			Conditions: discoveryv1.EndpointConditions{Ready: endpoint.Conditions.Ready},
			TargetRef:  endpoint.TargetRef,
		})
	}
	return slim, nil
}

func slimMeta(o metav1.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(),
		Labels: o.GetLabels(), DeletionTimestamp: o.GetDeletionTimestamp(),
	}
}
