package canary

import (
	"context"
	"errors"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/kube/audit"
	"github.com/sluice-mesh/sluice/pkg/notify/alert"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// shell looks after all Canaries, one pass at a time per Canary.
type shell struct {
	store        *store
	clock        clock.WithTicker
	pollInterval time.Duration
	log          *slog.Logger
	stats        StatsReader
	hooks        HookCaller
	metrics      MetricReader
	alerts       Alerter
	proxies      ProxyReader
	callerReader CallerReader
	events       *events
	gauges       *gauges
	counters     *counters
	secrets      *secrets

	// metricsServer is the Prometheus of inline queries whose Canary names none; empty for none.
	metricsServer string
	// eventWebhook, globalAlert and clusterName are those of Options.
	eventWebhook string
	globalAlert  *alert.Destination
	clusterName  string
	// noCrossNamespaceRefs refuses references from a Canary into another namespace.
	noCrossNamespaceRefs bool

	policy         validate.Policy
	selectorLabels []string
	labelPrefixes  []string

	// configs is nil when ConfigMaps and Secrets are not tracked.
	configs *configs

	// rulebook knows what the rules say of each Canary.
	rulebook *audit.Audit

	turns *turns
	// optional are the kinds that the cluster may not have.
	optional *optionalKinds

	index    *index
	sessions sessions
	callers  callerWatch
	decoded  decoded

	// background ends what runs beside the workers; work keeps account of it.
	background context.Context
	work       tasks
	queue      workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// wake puts a Canary into the queue.
func (s *shell) wake(key types.NamespacedName) {
	s.queue.Add(reconcile.Request{NamespacedName: key})
}

// Reconcile is one pass over one Canary.
func (s *shell) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	began := s.clock.Now()
	u, err := s.store.get(ctx, object{kindCanary, req.NamespacedName})
	if err != nil {
		return reconcile.Result{}, err
	}
	if u == nil {
		s.forget(req.NamespacedName)
		return reconcile.Result{}, nil
	}
	session := s.sessions.of(req.NamespacedName)
	c, err := s.decoded.canaries.of(u)
	if err != nil {
		// Nothing to do until somebody edits it, and then the watch tells us.
		s.complain(reference(u), session, ReasonUndecodable, err)
		return reconcile.Result{}, nil
	}
	decided := s.turns.decide(c)
	defer decided()
	v, err := s.gather(ctx, c, session)
	if err != nil {
		return reconcile.Result{}, err
	}
	result, err := s.act(ctx, v, decided)
	s.gauges.observe(c, s.clock.Since(began))
	return result, err
}

// act records what follows from a view and makes it so.
// decided is called once it is recorded.
func (s *shell) act(ctx context.Context, v *view, decided func()) (reconcile.Result, error) {
	c := v.canary
	plan := canary.Next(c, v.obs)
	if _, err := s.store.writeStatus(ctx, c, &plan.Status); err != nil {
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			// The cache was behind, or the Canary was edited or deleted: look again. Nothing has been touched.
			s.queue.AddRateLimited(reconcile.Request{NamespacedName: keyOf(c)})
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, err
	}
	decided()
	s.announce(v, plan)
	err := s.makeTrue(ctx, v, plan.Facts)
	v.session.settle(plan.Ask)
	s.ask(c, v.session, plan.Ask)
	switch {
	case ctx.Err() != nil:
		// We are stopping, and whoever comes next makes the same facts true.
	case errors.Is(err, errForeign):
		// Trying again soon would not help; the watch tells us when that object goes.
		s.complain(reference(c), v.session, ReasonForeignObject, err)
	case err != nil:
		s.complain(reference(c), v.session, ReasonFactFailed, err)
		return reconcile.Result{}, err
	default:
		s.content(v.session)
	}
	return reconcile.Result{RequeueAfter: plan.After}, nil
}

// announce tells everybody what was just recorded: events, log, metrics, event hooks.
func (s *shell) announce(v *view, plan canary.Plan) {
	recorded := v.canary.DeepCopy()
	recorded.Status = plan.Status
	s.noteTurn(keyOf(recorded), recorded)
	for _, e := range plan.Events {
		s.events.record(reference(recorded), e, &plan.Status)
	}
	s.tell(recorded, v.session, plan.Events)
	s.alert(recorded, v.session, plan.Events)
	s.gauges.recorded(v.canary, &plan.Status)
}

// forget drops what is kept of a Canary that is no more.
func (s *shell) forget(key types.NamespacedName) {
	s.sessions.end(key)
	s.events.writer.forget(key)
	s.index.remove(key)
	s.gauges.forget(key)
	s.noteTurn(key, nil)
}

// complain says what went wrong, once per sentence: a pass that fails is repeated, and its events would drown the others.
func (s *shell) complain(ref *corev1.ObjectReference, session *session, reason string, err error) {
	session.mu.Lock()
	said := session.complaint == err.Error()
	session.complaint = err.Error()
	session.mu.Unlock()
	if !said {
		s.events.warn(ref, reason, err.Error())
	}
}

// content forgets the last complaint, so that the same one is news again.
func (s *shell) content(session *session) {
	session.mu.Lock()
	defer session.mu.Unlock()
	session.complaint = ""
}

func keyOf(c *canaryv1beta1.Canary) types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
}

// fullName is how events, logs and Flagger name a Canary.
func fullName(c *canaryv1beta1.Canary) string { return c.Name + "." + c.Namespace }
