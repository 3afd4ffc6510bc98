package canary

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// The condition of MetricTemplates and AlertProviders: whether they can be used as they are written. It says nothing
// about whether the other end answers, which is known at a check and told by the Canary's events.
const conditionReady canaryv1beta1.CanaryConditionType = "Ready"

// Its reasons.
const (
	reasonValid   = "Valid"
	reasonInvalid = "Invalid"
)

// judgeFunc says what is wrong with an object, and which conditions it has.
type judgeFunc func(*unstructured.Unstructured) ([]validate.Finding, []canaryv1beta1.CanaryCondition, error)

func (s *shell) judgeTemplate(u *unstructured.Unstructured) ([]validate.Finding, []canaryv1beta1.CanaryCondition, error) {
	t, err := s.decoded.templates.of(u)
	if err != nil {
		return nil, nil, err
	}
	return validate.MetricTemplate(nil, t, validate.World{At: validate.Audit, Policy: s.policy}), t.Status.Conditions, nil
}

func (s *shell) judgeAlertProvider(u *unstructured.Unstructured) ([]validate.Finding, []canaryv1beta1.CanaryCondition, error) {
	p, err := s.decoded.alertProviders.of(u)
	if err != nil {
		return nil, nil, err
	}
	return validate.AlertProvider(nil, p, validate.World{At: validate.Audit, Policy: s.policy}), p.Status.Conditions, nil
}

// keepConditions lets one more controller write the conditions of what Canaries refer to.
func (s *shell) keepConditions(mgr manager.Manager, name string) error {
	for kind, judge := range map[schema.GroupVersionKind]judgeFunc{
		kindMetricTemplate: s.judgeTemplate,
		kindAlertProvider:  s.judgeAlertProvider,
	} {
		ctl, err := controller.New(name+"-"+strings.ToLower(kind.Kind), mgr, controller.Options{
			Reconciler: reconcile.Func(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
				return reconcile.Result{}, s.keepCondition(ctx, object{kind, r.NamespacedName}, judge)
			}),
			SkipNameValidation: ptr.To(name != defaultName),
		})
		if err != nil {
			return fmt.Errorf("make the controller of %s: %w", kind.Kind, err)
		}
		if err := ctl.Watch(source.Kind[client.Object](mgr.GetCache(), empty(kind), &handler.EnqueueRequestForObject{})); err != nil {
			return fmt.Errorf("watch %s: %w", kind.Kind, err)
		}
	}
	return nil
}

// keepCondition writes the condition of one object, if it is not as it should be.
func (s *shell) keepCondition(ctx context.Context, o object, judge judgeFunc) error {
	u, err := s.store.get(ctx, o)
	if err != nil || u == nil || u.GetDeletionTimestamp() != nil {
		return err
	}
	findings, conditions, err := judge(u)
	if err != nil {
		// Nothing to do until somebody edits it, and then the watch tells us.
		s.log.Warn("cannot read an object", "object", o.String(), "error", err.Error())
		return nil
	}
	changed, differs := withReady(conditions, findings, metav1.NewTime(s.clock.Now()))
	if !differs {
		return nil
	}
	list, err := plain(map[string]any{"conditions": changed})
	if err != nil {
		return err
	}
	// The version is part of the patch, because a list is replaced as a whole.
	_, err = s.store.patchStatus(ctx, o, map[string]any{
		"metadata": map[string]any{"resourceVersion": u.GetResourceVersion()}, "status": list,
	})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // the watch brings what it is now
	}
	return err
}

// withReady returns the conditions with ours among them, and whether that is news.
func withReady(conditions []canaryv1beta1.CanaryCondition, findings []validate.Finding, now metav1.Time) ([]canaryv1beta1.CanaryCondition, bool) {
	ready := canaryv1beta1.CanaryCondition{
		Type: conditionReady, Status: metav1.ConditionTrue, Reason: reasonValid, LastUpdateTime: now, LastTransitionTime: now,
	}
	if len(findings) > 0 {
		var sentences []string
		for _, f := range findings {
			sentences = append(sentences, f.String())
		}
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, reasonInvalid, strings.Join(sentences, "; ")
	}
	i := slices.IndexFunc(conditions, func(c canaryv1beta1.CanaryCondition) bool { return c.Type == conditionReady })
	if i < 0 {
		return append(slices.Clone(conditions), ready), true
	}
	was := conditions[i]
	if was.Status == ready.Status && was.Reason == ready.Reason && was.Message == ready.Message {
		return conditions, false
	}
	if was.Status == ready.Status {
		ready.LastTransitionTime = was.LastTransitionTime
	}
	out := slices.Clone(conditions)
	out[i] = ready
	return out, true
}
