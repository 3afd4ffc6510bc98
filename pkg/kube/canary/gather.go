package canary

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
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

	target, primary, scaler *unstructured.Unstructured
	// pods is what the builders need to know; podsErr says why it cannot be had.
	pods    canary.Pods
	podsErr error
	// mesh, for meshWeights, and the Services are what was built in this pass.
	mesh         []*unstructured.Unstructured
	meshWeights  canary.Weights
	sideServices []*unstructured.Unstructured
	apexService  *unstructured.Unstructured
	// newWeights are the weights of the plan, for a router that is about to be created.
	newWeights canary.Weights
}

// in names an object of the Canary's namespace.
func (v *view) in(kind schema.GroupVersionKind, name string) object {
	return object{kind, types.NamespacedName{Namespace: v.canary.Namespace, Name: name}}
}

func (v *view) apex() string {
	if name := v.canary.Spec.Service.Name; name != "" {
		return name
	}
	return v.canary.Spec.TargetRef.Name
}

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
		s.seeAutoscaler,
		s.seeGenerated,
		s.seeProxies, // after what the router holds
		s.seeApex,
		s.seeRules,
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
	return names
}

func (s *shell) seeWorkloads(ctx context.Context, v *view) (err error) {
	if v.canary.Spec.TargetRef.Kind != canaryv1beta1.TargetKindDeployment {
		v.podsErr = fmt.Errorf("targetRef.kind %s is not served", v.canary.Spec.TargetRef.Kind)
		return nil
	}
	if v.target, err = s.store.get(ctx, v.in(kindDeployment, v.targetName())); err != nil {
		return err
	}
	if v.primary, err = s.store.get(ctx, v.in(kindDeployment, v.primaryName())); err != nil {
		return err
	}
	if v.obs.Target, err = workload(v.target); err != nil {
		return err
	}
	if v.obs.Primary, err = workload(v.primary); err != nil {
		return err
	}
	if v.target == nil {
		v.podsErr = fmt.Errorf("Deployment %s does not exist", v.targetName())
		return nil
	}
	template, err := json.Marshal(templateOf(v.target))
	if err != nil {
		return fmt.Errorf("encode the pod template of %s: %w", v.targetName(), err)
	}
	v.obs.Target.Revision = canary.Revision(template)
	if v.obs.Primary != nil {
		v.obs.Primary.Revision = v.primary.GetAnnotations()[sluice.AnnotationRevision]
	}
	v.pods, v.podsErr = podsOf(v.target)
	return nil
}

// podsOf decodes just the parts of a Deployment that the builders look at.
func podsOf(deployment *unstructured.Unstructured) (canary.Pods, error) {
	labels, _, err := unstructured.NestedStringMap(deployment.Object, "spec", "selector", "matchLabels")
	if err != nil {
		return canary.Pods{}, fmt.Errorf("read the selector: %w", err)
	}
	raw, _, err := unstructured.NestedFieldNoCopy(deployment.Object, "spec", "template", "spec")
	if err != nil {
		return canary.Pods{}, fmt.Errorf("read the pod template: %w", err)
	}
	var spec corev1.PodSpec
	if object, ok := raw.(map[string]any); ok {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &spec); err != nil {
			return canary.Pods{}, fmt.Errorf("decode the pod template: %w", err)
		}
	}
	return canary.PodsOf(labels, spec)
}

func templateOf(deployment *unstructured.Unstructured) map[string]any {
	template, _, _ := unstructured.NestedFieldNoCopy(deployment.Object, "spec", "template")
	object, _ := template.(map[string]any)
	return object
}

// workloadStatus is what of a Deployment decisions depend on. Only this is decoded.
type workloadStatus struct {
	Spec struct {
		Replicas *int32 `json:"replicas"`
		Paused   bool   `json:"paused"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration"`
		Replicas           int32 `json:"replicas"`
		UpdatedReplicas    int32 `json:"updatedReplicas"`
		ReadyReplicas      int32 `json:"readyReplicas"`
		AvailableReplicas  int32 `json:"availableReplicas"`
		Conditions         []struct {
			Type               string      `json:"type"`
			Status             string      `json:"status"`
			Reason             string      `json:"reason"`
			LastUpdateTime     metav1.Time `json:"lastUpdateTime"`
			LastTransitionTime metav1.Time `json:"lastTransitionTime"`
		} `json:"conditions"`
	} `json:"status"`
}

// workload says of a Deployment what Next wants to know; nil for none.
func workload(u *unstructured.Unstructured) (*canary.Workload, error) {
	if u == nil {
		return nil, nil
	}
	var d workloadStatus
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &d); err != nil {
		return nil, fmt.Errorf("decode %s: %w", objectOf(u), err)
	}
	w := &canary.Workload{
		Name:               u.GetName(),
		Generation:         u.GetGeneration(),
		ObservedGeneration: d.Status.ObservedGeneration,
		Replicas:           1, // what the API server makes of an absent field
		Total:              d.Status.Replicas,
		Updated:            d.Status.UpdatedReplicas,
		Ready:              d.Status.ReadyReplicas,
		AvailableReplicas:  d.Status.AvailableReplicas,
		Paused:             d.Spec.Paused,
	}
	if d.Spec.Replicas != nil {
		w.Replicas = *d.Spec.Replicas
	}
	for _, condition := range d.Status.Conditions {
		state := canary.Condition{
			Status: condition.Status, Reason: condition.Reason,
			Since: condition.LastTransitionTime.Time, Updated: condition.LastUpdateTime.Time,
		}
		switch condition.Type {
		case "Progressing":
			w.Progressing = state
			w.DeadlineExceeded = condition.Reason == "ProgressDeadlineExceeded"
		case "Available":
			w.Available = state
		}
	}
	return w, nil
}

func (s *shell) seeAutoscaler(ctx context.Context, v *view) (err error) {
	ref := v.canary.Spec.AutoscalerRef
	if ref == nil || ref.Kind != canaryv1beta1.AutoscalerKindHPA {
		return nil
	}
	if v.scaler, err = s.store.get(ctx, v.in(kindHPA, ref.Name)); err != nil {
		return err
	}
	if v.scaler == nil {
		v.obs.AutoscalerMissing = true
		return nil
	}
	scaler := &canary.Autoscaler{Kind: ref.Kind, Name: ref.Name}
	if n, found, _ := unstructured.NestedInt64(v.scaler.Object, "spec", "minReplicas"); found {
		replicas := int32(n)
		scaler.MinReplicas = &replicas
	}
	n, _, _ := unstructured.NestedInt64(v.scaler.Object, "spec", "maxReplicas")
	scaler.MaxReplicas = int32(n)
	v.obs.Autoscaler = scaler
	return nil
}
