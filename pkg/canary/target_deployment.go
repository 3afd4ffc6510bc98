package canary

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// deploymentTarget is a Deployment: idle it has zero replicas.
type deploymentTarget struct{ templated }

func (deploymentTarget) GroupVersionKind() schema.GroupVersionKind {
	return appsv1.SchemeGroupVersion.WithKind(canaryv1beta1.TargetKindDeployment)
}

func (deploymentTarget) Content(object map[string]any) map[string]any { return podTemplate(object) }

// OwnsPod: <deployment>-<hash of the template>-<suffix>.
func (deploymentTarget) OwnsPod(workload, pod string) bool { return ownsPod(workload, pod, 2) }

// deploymentStatus is what of a Deployment decisions depend on. Only this is decoded.
type deploymentStatus struct {
	Spec struct {
		Replicas *int32 `json:"replicas"`
		Paused   bool   `json:"paused"`
		Strategy struct {
			Type string `json:"type"`
		} `json:"strategy"`
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

func (deploymentTarget) Observe(object map[string]any, _ int32) (*Workload, error) {
	var d deploymentStatus
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &d); err != nil {
		return nil, fmt.Errorf("decode a Deployment: %w", err)
	}
	w := observedObject(object)
	w.ObservedGeneration = d.Status.ObservedGeneration
	w.Replicas = 1 // what the API server makes of an absent field
	if d.Spec.Replicas != nil {
		w.Replicas = *d.Spec.Replicas
	}
	w.Total, w.Updated = d.Status.Replicas, d.Status.UpdatedReplicas
	w.Ready, w.AvailableReplicas = d.Status.ReadyReplicas, d.Status.AvailableReplicas
	w.Recreates = d.Spec.Strategy.Type == string(appsv1.RecreateDeploymentStrategyType)
	if d.Spec.Paused {
		w.WontRoll = "spec.paused is true"
	}
	for _, condition := range d.Status.Conditions {
		state := Condition{
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

// observedObject is what all kinds have.
func observedObject(object map[string]any) *Workload {
	meta := dig(object, "metadata")
	w := &Workload{}
	w.Name, _ = meta["name"].(string)
	w.Generation, _ = number64(meta["generation"])
	return w
}

// deploymentFields of the target's spec are followed by the primary at all times. The rest of its spec is its own.
var deploymentFields = []string{"progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "strategy"}

func (t deploymentTarget) Primary(c *canaryv1beta1.Canary, pods Pods, src PrimarySource) map[string]any {
	s := settings{c}
	out := s.primaryObject(t, pods, src, deploymentFields)
	if n, ok := s.primaryReplicas(src); ok {
		child(out, "spec")["replicas"] = n
	}
	return out
}

func (deploymentTarget) OwnedFields() []string {
	return append([]string{"replicas", "template"}, deploymentFields...)
}

func (deploymentTarget) Autoscaled() bool { return true }

func (deploymentTarget) Scale(object map[string]any, want TargetScale) map[string]any {
	now, ok := number64(dig(object, "spec")["replicas"])
	if !ok {
		now = 1
	}
	n := int64(want.Replicas)
	if leave := n > 0 && now > 0 && (!want.Raise || now > n); now == n || leave {
		return nil
	}
	return map[string]any{"spec": map[string]any{"replicas": n}}
}

func (deploymentTarget) notReady(w *Workload, percent int) string {
	switch enough := int32(int(w.Updated) * percent / 100); {
	case w.ObservedGeneration < w.Generation:
		return "waiting for rollout to finish: observed deployment generation less than desired generation"
	case w.DeadlineExceeded:
		return fmt.Sprintf("deployment %q exceeded its progress deadline", w.Name)
	case w.Updated < w.Replicas:
		return fmt.Sprintf("waiting for rollout to finish: %d out of %d new replicas have been updated", w.Updated, w.Replicas)
	case w.Total > w.Updated:
		return fmt.Sprintf("waiting for rollout to finish: %d old replicas are pending termination", w.Total-w.Updated)
	case w.AvailableReplicas < enough:
		return fmt.Sprintf("waiting for rollout to finish: %d of %d (readyThreshold %d%%) updated replicas are available",
			w.AvailableReplicas, w.Updated, percent)
	}
	return ""
}

func (deploymentTarget) unserved(settings) string { return "" }

// primaryReplicas are the target's: at the creation always, later only without an autoscaler, and never below the
// floor. A target at zero says nothing.
func (s settings) primaryReplicas(src PrimarySource) (int64, bool) {
	want, ok := number64(dig(src.Target, "spec")["replicas"])
	if !ok {
		want = 1 // what an absent number means
	}
	if src.Current != nil && (s.Spec.AutoscalerRef != nil || want == 0) {
		return 0, false
	}
	return max(want, int64(src.MinReplicas), 1), true
}
