package admission

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// The paths that the webhook configurations name; those of App Mesh's kinds are mutatePrefix and validatePrefix
// followed by the kind in lower case. releasePath takes every kind that has to do with releases.
const (
	podPath        = "/mutate-v1-pod"
	canaryPath     = "/validate-flagger-app-v1beta1-canary"
	releasePath    = "/validate-release"
	mutatePrefix   = "/mutate-appmesh-k8s-aws-v1beta2-"
	validatePrefix = "/validate-appmesh-k8s-aws-v1beta2-"
)

// Options says how to answer.
type Options struct {
	// Client is the API server that the caches are filled from.
	Client *rest.Config
	// SystemNamespace is ours; its pods are never injected, because they must be able to start without us.
	SystemNamespace string
	// Inject is what pods get.
	Inject inject.Config
	// Policy is what the owners of the cluster say about the rulebook, SelectorLabels what the canary process was told.
	Policy         validate.Policy
	SelectorLabels []string
	// Log gets one line per refusal, and with more verbosity one per pod.
	Log logr.Logger
	// Metrics gets the counters; nil means none.
	Metrics prometheus.Registerer
}

// Admission is the handlers and the caches behind them.
type Admission struct {
	options   Options
	counters  *counters
	caches    *caches
	selectors *selectors
}

// New makes the handlers. Nothing is watched before Start.
func New(options Options) (*Admission, error) {
	counters := newCounters(options.Metrics)
	caches, err := newCaches(options.Client, options.Log, counters)
	if err != nil {
		return nil, fmt.Errorf("prepare the caches: %w", err)
	}
	caches.policy, caches.selectorLabels = options.Policy, options.SelectorLabels
	selectors, err := newSelectors(caches, options.Log)
	if err != nil {
		return nil, fmt.Errorf("prepare the index: %w", err)
	}
	return &Admission{options: options, counters: counters, caches: caches, selectors: selectors}, nil
}

// Register adds the handlers to a server.
func (a *Admission) Register(server webhook.Server) {
	server.Register(podPath, a.counters.timed(podPath, &pods{
		caches: a.caches, selectors: a.selectors, config: a.options.Inject, counters: a.counters, log: a.options.Log,
		excluded: map[string]bool{metav1.NamespaceSystem: true, a.options.SystemNamespace: true},
	}))
	judges := a.judges()
	a.handle(server, canaryPath, judges[schema.GroupKind{Group: canaryv1beta1.GroupVersion.Group, Kind: canaryv1beta1.KindCanary}])
	a.handle(server, releasePath, judges)
	for _, k := range keeps {
		if k.Group != appmeshv1beta2.GroupVersion.Group {
			continue
		}
		kind := k.Kind
		a.handle(server, mutatePrefix+strings.ToLower(kind), &defaults{kind: kind, caches: a.caches, log: a.options.Log})
		var judge ctrladmission.Handler = judges[k.GroupKind]
		if kind == appmeshv1beta2.KindMesh || kind == appmeshv1beta2.KindVirtualGateway {
			judge = &removals{next: judge, kind: kind, caches: a.caches, counters: a.counters, log: a.options.Log}
		}
		a.handle(server, validatePrefix+strings.ToLower(kind), judge)
	}
}

// judges are the rules of every kind of the rulebook.
func (a *Admission) judges() byKind {
	judges := byKind{}
	for _, kind := range validate.Kinds() {
		judges[schema.GroupKind{Group: kind.Group, Kind: kind.Name}] = &rules{kind: kind, caches: a.caches, counters: a.counters, log: a.options.Log}
	}
	return judges
}

func (a *Admission) handle(server webhook.Server, path string, handler ctrladmission.Handler) {
	server.Register(path, a.counters.timed(path, &ctrladmission.Webhook{Handler: handler}))
}

// NeedLeaderElection is false: every replica answers.
func (a *Admission) NeedLeaderElection() bool { return false }

// Start fills the caches and keeps them up to date until the context ends.
func (a *Admission) Start(ctx context.Context) error {
	for _, collection := range a.caches.collections {
		go collection.informer.RunWithContext(ctx)
	}
	a.reportFilling(ctx)
	<-ctx.Done()
	return nil
}

// reportFilling says which caches are still empty, every while, until none is. A readiness probe does not: what
// kubelet sees of it is that it failed.
func (a *Admission) reportFilling(ctx context.Context) {
	const poll, patience = 100 * time.Millisecond, 10 * time.Second
	lastWord := time.Now()
	for a.Ready(nil) != nil {
		if time.Since(lastWord) > patience {
			a.options.Log.Info("not ready", "because", a.Ready(nil).Error())
			lastWord = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(poll):
		}
	}
	a.options.Log.Info("the caches are filled")
}

// Ready is a readiness check: it fails until every cache has been filled once, and says which have not.
func (a *Admission) Ready(*http.Request) error {
	waiting := map[string]bool{}
	for _, collection := range a.caches.collections {
		if !collection.optional && !a.caches.relatives.Knows(collection.kind.Name) {
			waiting[collection.resource.GroupResource().String()] = true
		}
	}
	for name, handler := range a.selectors.registered {
		if !handler.HasSynced() {
			waiting[name] = true
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	return errors.New("waiting for the first list of " + strings.Join(slices.Sorted(maps.Keys(waiting)), ", ") +
		"; are the custom resource definitions installed, and may we list these?")
}
