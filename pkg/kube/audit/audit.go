package audit

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

const (
	// settling is how long a Canary is left alone after a change, because what belongs together is applied together.
	settling = time.Second
	// pause is the least time between two judgements of a Canary. A rollout changes something all the time.
	pause = 10 * time.Second
)

// Options are what the audit needs besides a manager.
type Options struct {
	// Log is told of objects that cannot be read.
	Log *slog.Logger
	// World holds the policy of the cluster, and whatever else is the same for all Canaries.
	World validate.World
	// Namespaces are those that the manager's caches are limited to; none for all.
	Namespaces []string
	// Configs says that ConfigMaps and Secrets may be watched.
	Configs bool
	// Changed is called when what is known of a Canary is news.
	Changed func(types.NamespacedName)

	// Clock and Registry are the shell's; Name tells several of one process apart.
	Clock    clock.WithTicker
	Registry prometheus.Registerer
	Name     string
}

// Audit is the rulebook, at work in the background.
type Audit struct {
	options Options
	mgr     manager.Manager
	ctl     controller.Controller
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
	ledger  *validate.Ledger
	gauge   *gauge
	watches []*watch

	mu sync.Mutex
	// absent are the optional kinds that the cluster did not have.
	absent map[schema.GroupVersionKind]watched
	known  map[types.NamespacedName]*canary.Consistency
	judged map[types.NamespacedName]time.Time
}

// Add puts an audit into a manager. It judges only while the manager leads, but its index is warm before.
func Add(mgr manager.Manager, o Options) (*Audit, error) {
	a := &Audit{
		options: o, mgr: mgr, gauge: newGauge(o.Registry),
		absent: map[schema.GroupVersionKind]watched{},
		known:  map[types.NamespacedName]*canary.Consistency{}, judged: map[types.NamespacedName]time.Time{},
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request](),
			workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{Name: o.Name, Clock: o.Clock}),
	}
	var err error
	a.ctl, err = controller.New(o.Name, mgr, controller.Options{
		Reconciler: reconcile.Func(func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
			a.judge(r.NamespacedName)
			return reconcile.Result{}, nil
		}),
		EnableWarmup: ptr.To(true),
		// Our own queue, because its clock is ours, and because things come into it late.
		NewQueue: func(string, workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
			return a.queue
		},
		SkipNameValidation: ptr.To(true),
	})
	if err != nil {
		return nil, fmt.Errorf("make the controller of the audit: %w", err)
	}
	var names []string
	for _, kind := range kinds {
		if kind.configuration && !o.Configs {
			continue
		}
		w := a.watchOf(kind)
		if err := a.ctl.Watch(w); err != nil {
			return nil, fmt.Errorf("watch %s for the audit: %w", kind.Kind, err)
		}
		a.watches = append(a.watches, w)
		names = append(names, kind.Kind)
	}
	a.ledger = validate.NewLedger(validate.NewIndex(names...), o.World, o.Namespaces...)
	return a, nil
}

// Blockers are the sentences that keep a rollout of a Canary from starting.
func (a *Audit) Blockers(c *canaryv1beta1.Canary) []string { return a.ledger.Blockers(c) }

// Knows tells whether the rulebook says itself that an object of a kind in a namespace is missing.
func (a *Audit) Knows(kind, namespace string) bool { return a.ledger.Knows(kind, namespace) }

// Of is what is known of a Canary; nil before it was judged.
func (a *Audit) Of(name types.NamespacedName) *canary.Consistency {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[name]
}

// set takes down an object as it is now.
func (a *Audit) set(kind string, object client.Object) {
	decoded, err := decode(kind, object)
	if err != nil {
		a.options.Log.Warn("the rulebook cannot read an object, and leaves it out", "kind", kind, "namespace", object.GetNamespace(), "name", object.GetName(), "error", err.Error())
		a.delete(kind, object)
		return
	}
	a.enqueue(a.ledger.Set(kind, decoded))
}

func (a *Audit) delete(kind string, object client.Object) {
	a.enqueue(a.ledger.Delete(mesh.ObjectRef{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}))
}

// decode gives an object its type.
func decode(kind string, object client.Object) (metav1.Object, error) {
	switch o := object.(type) {
	case *metav1.PartialObjectMetadata:
		if kind == "Namespace" {
			return &corev1.Namespace{ObjectMeta: o.ObjectMeta}, nil
		}
		return o, nil
	case *unstructured.Unstructured:
		of, known := validate.KindOf(o.GroupVersionKind().GroupKind())
		if !known {
			return nil, fmt.Errorf("%s is no kind of the rulebook", o.GroupVersionKind())
		}
		raw, err := o.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode the %s: %w", kind, err)
		}
		return of.Decode(raw)
	}
	return nil, fmt.Errorf("%T is neither an object nor its metadata", object)
}

// enqueue has Canaries judged in a moment.
func (a *Audit) enqueue(concerned []mesh.ObjectRef) {
	now := a.options.Clock.Now()
	for _, ref := range concerned {
		name := types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
		a.mu.Lock()
		wait := a.judged[name].Add(pause).Sub(now)
		a.mu.Unlock()
		a.queue.AddAfter(reconcile.Request{NamespacedName: name}, max(settling, wait))
	}
}

// judge looks at one Canary and at what its release depends on.
func (a *Audit) judge(name types.NamespacedName) {
	ref := mesh.ObjectRef{Kind: "Canary", Namespace: name.Namespace, Name: name.Name}
	judged, there := a.ledger.Judge(ref)
	if !there {
		a.forget(name)
		return
	}
	now := consistency(ref, judged)
	a.mu.Lock()
	before := a.known[name]
	a.known[name], a.judged[name] = now, a.options.Clock.Now()
	a.mu.Unlock()
	if before != nil && reflect.DeepEqual(before, now) {
		return
	}
	a.gauge.replace(name.Namespace, before, now)
	a.options.Changed(name)
}

// forget drops what is known of a Canary that is no more.
func (a *Audit) forget(name types.NamespacedName) {
	a.mu.Lock()
	before := a.known[name]
	delete(a.known, name)
	delete(a.judged, name)
	a.mu.Unlock()
	a.gauge.replace(name.Namespace, before, nil)
}

// consistency is what the state of a Canary keeps of the findings.
func consistency(name mesh.ObjectRef, judged []validate.Judged) *canary.Consistency {
	c := &canary.Consistency{}
	for _, j := range judged {
		about := ""
		switch {
		case j.Object == name:
		case j.Object.Namespace == name.Namespace, j.Object.Namespace == "":
			about = j.Object.Kind + " " + j.Object.Name + ": "
		default:
			about = j.Object.Kind + " " + j.Object.Namespace + "/" + j.Object.Name + ": "
		}
		for _, f := range j.Findings {
			c.Findings = append(c.Findings, canary.RuleFinding{Rule: f.Rule, Error: f.Severity == validate.Deny, Text: about + f.Message})
		}
	}
	return c
}
