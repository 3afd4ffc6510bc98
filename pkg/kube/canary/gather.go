package canary

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// view is what one pass saw: the objects, and the observation made of them.
type view struct {
	canary  *canaryv1beta1.Canary
	session *session
	obs     canary.Observation

	// kind is that of the target; nil for one that nobody can release.
	kind                    canary.Target
	target, primary, scaler *unstructured.Unstructured
	// pods is what the builders need to know; podsErr says why it cannot be had.
	pods    canary.Pods
	podsErr error
	// mesh, for meshWeights, and the Services are what was built in this pass.
	mesh         []*unstructured.Unstructured
	meshWeights  canary.Weights
	sideServices []*unstructured.Unstructured
	apexService  *unstructured.Unstructured
	servicesMade bool
	// inherited is the content of a primary that Flagger made; nil for others.
	inherited map[string]any
	// configNames are the ConfigMaps and Secrets that were looked at.
	configNames []string
	// newWeights are the weights of the plan, for a router that is about to be created.
	newWeights canary.Weights
}

// in names an object of the Canary's namespace.
func (v *view) in(kind schema.GroupVersionKind, name string) object {
	return object{kind, types.NamespacedName{Namespace: v.canary.Namespace, Name: name}}
}

// workload names an object of the target's kind.
func (v *view) workload(name string) object { return v.in(v.kind.GroupVersionKind(), name) }

func (v *view) apex() string { return canary.Apex(v.canary) }

func (v *view) targetName() string  { return v.canary.Spec.TargetRef.Name }
func (v *view) primaryName() string { return v.targetName() + "-primary" }

// gather looks at everything that the next decision may depend on. It reads caches only.
func (s *shell) gather(ctx context.Context, c *canaryv1beta1.Canary, session *session) (*view, error) {
	v := &view{canary: c, session: session}
	v.obs = canary.Observation{
		Now:     s.clock.Now(),
		Metrics: map[string]canary.Measurement{},
		Hooks:   map[string]canary.HookAnswer{},
	}
	for _, look := range []func(context.Context, *view) error{
		s.seeWorkloads, // first: the others need the target's pods
		s.seeConfigs,
		s.seeFlagger,
		s.seeAutoscaler,
		s.seeGenerated,
		s.seeProxies, // after what the router holds
		s.seeApex,
		s.seeRules,
		s.seeTurn,
		s.seeStats,
	} {
		if err := look(ctx, v); err != nil {
			return nil, err
		}
	}
	session.answered(&v.obs)
	s.index.set(keyOf(c), v.lookedAt(), lookedUp(c)...)
	return v, nil
}

// lookedAt are the names whose objects the decision depended on.
func (v *view) lookedAt() []string {
	names := []string{
		v.targetName(), v.primaryName(),
		v.apex(), v.apex() + "-primary", v.apex() + "-canary",
	}
	if ref := v.canary.Spec.AutoscalerRef; ref != nil {
		names = append(names, ref.Name, ref.Name+"-primary")
	}
	return append(names, v.configNames...)
}

func (s *shell) seeWorkloads(ctx context.Context, v *view) (err error) {
	if v.kind = canary.TargetOf(v.canary); v.kind == nil {
		v.podsErr = fmt.Errorf("targetRef.kind %s is not served", v.canary.Spec.TargetRef.Kind)
		return nil
	}
	if v.target, err = s.store.get(ctx, v.workload(v.targetName())); err != nil {
		return err
	}
	if v.primary, err = s.store.get(ctx, v.workload(v.primaryName())); err != nil {
		return err
	}
	if v.obs.Target, err = s.observe(ctx, v, v.target); err != nil {
		return err
	}
	if v.obs.Primary, err = s.observe(ctx, v, v.primary); err != nil {
		return err
	}
	if v.target == nil {
		v.podsErr = fmt.Errorf("%s %s does not exist", v.canary.Spec.TargetRef.Kind, v.targetName())
		return nil
	}
	content, err := json.Marshal(v.kind.Content(v.target.Object))
	if err != nil {
		return fmt.Errorf("encode the content of %s: %w", v.targetName(), err)
	}
	v.obs.Target.Revision = canary.Revision(content)
	if v.obs.Primary != nil {
		v.obs.Primary.Revision = v.primary.GetAnnotations()[sluice.AnnotationRevision]
	}
	v.pods, v.podsErr = v.kind.Pods(v.target.Object, s.selectorLabels)
	return nil
}

// observe says of a target or a primary what Next wants to know; nil for none.
func (s *shell) observe(ctx context.Context, v *view, u *unstructured.Unstructured) (*canary.Workload, error) {
	if u == nil {
		return nil, nil
	}
	var ready int32
	if v.kind.CountsEndpoints() {
		endpoints, err := s.readyEndpoints(ctx, v, u.GetName())
		if err != nil {
			return nil, err
		}
		ready = int32(len(endpoints)) //nolint:gosec // a Service has fewer endpoints than that
	}
	w, err := v.kind.Observe(u.Object, ready)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", objectOf(u), err)
	}
	return w, nil
}

func (s *shell) seeAutoscaler(ctx context.Context, v *view) (err error) {
	scaler := canary.ScalerOf(v.canary)
	if scaler == nil {
		return nil
	}
	served := true
	if scaler.Optional() {
		if served, err = s.optional.served(scaler.GroupVersionKind(), s.clock.Now()); err != nil {
			return err
		}
	}
	if served {
		v.scaler, err = s.store.get(ctx, v.in(scaler.GroupVersionKind(), v.canary.Spec.AutoscalerRef.Name))
	}
	if v.scaler == nil || err != nil {
		v.obs.AutoscalerMissing = true
		return err
	}
	v.obs.Autoscaler = scaler.Observe(v.scaler.Object)
	return nil
}
