package canary

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// scaleToZero in the node selector of a DaemonSet keeps it off every node: no node has this label.
const scaleToZero = "flagger.app/scale-to-zero"

// daemonSetTarget is a DaemonSet: idle it selects no node. It has as many pods as there are nodes for it, so neither a
// floor nor an autoscaler can mean anything to it.
type daemonSetTarget struct{ templated }

func (daemonSetTarget) GroupVersionKind() schema.GroupVersionKind {
	return appsv1.SchemeGroupVersion.WithKind(canaryv1beta1.TargetKindDaemonSet)
}

// Content is the pod template without the node selector that keeps an idle DaemonSet off the nodes.
func (daemonSetTarget) Content(object map[string]any) map[string]any {
	template := podTemplate(object)
	if _, idle := dig(template, "spec", "nodeSelector")[scaleToZero]; !idle {
		return template
	}
	template = runtime.DeepCopyJSON(template)
	spec := dig(template, "spec")
	selector := dig(spec, "nodeSelector")
	if delete(selector, scaleToZero); len(selector) == 0 {
		delete(spec, "nodeSelector")
	}
	return template
}

// OwnsPod: <daemonset>-<suffix>.
func (daemonSetTarget) OwnsPod(workload, pod string) bool { return ownsPod(workload, pod, 1) }

type daemonSetStatus struct {
	Spec struct {
		UpdateStrategy struct {
			Type string `json:"type"`
		} `json:"updateStrategy"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration     int64 `json:"observedGeneration"`
		CurrentNumberScheduled int32 `json:"currentNumberScheduled"`
		DesiredNumberScheduled int32 `json:"desiredNumberScheduled"`
		UpdatedNumberScheduled int32 `json:"updatedNumberScheduled"`
		NumberReady            int32 `json:"numberReady"`
		NumberAvailable        int32 `json:"numberAvailable"`
	} `json:"status"`
}

func (daemonSetTarget) Observe(object map[string]any, _ int32) (*Workload, error) {
	var d daemonSetStatus
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &d); err != nil {
		return nil, fmt.Errorf("decode a DaemonSet: %w", err)
	}
	w := observedObject(object)
	w.ObservedGeneration = d.Status.ObservedGeneration
	w.Replicas, w.Total = d.Status.DesiredNumberScheduled, d.Status.CurrentNumberScheduled
	w.Updated, w.Ready, w.AvailableReplicas = d.Status.UpdatedNumberScheduled, d.Status.NumberReady, d.Status.NumberAvailable
	if _, idle := dig(podTemplate(object), "spec", "nodeSelector")[scaleToZero]; idle {
		w.Replicas = 0 // at once, whenever the status follows
	}
	if t := d.Spec.UpdateStrategy.Type; t != "" && t != string(appsv1.RollingUpdateDaemonSetStrategyType) {
		w.WontRoll = fmt.Sprintf("spec.updateStrategy.type is %s and must be %s", t, appsv1.RollingUpdateDaemonSetStrategyType)
	}
	return w, nil
}

// daemonSetFields of the target's spec are followed by the primary at all times.
var daemonSetFields = []string{"minReadySeconds", "revisionHistoryLimit", "updateStrategy"}

func (t daemonSetTarget) Primary(c *canaryv1beta1.Canary, pods Pods, src PrimarySource) map[string]any {
	return settings{c}.primaryObject(t, pods, src, daemonSetFields)
}

func (daemonSetTarget) OwnedFields() []string {
	return append([]string{"template"}, daemonSetFields...)
}

func (daemonSetTarget) Autoscaled() bool { return false }

func (daemonSetTarget) Scale(object map[string]any, want TargetScale) map[string]any {
	_, idle := dig(podTemplate(object), "spec", "nodeSelector")[scaleToZero]
	var value any = "true"
	switch {
	case idle == (want.Replicas == 0):
		return nil
	case idle:
		value = nil // takes the key away
	}
	return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
		"nodeSelector": map[string]any{scaleToZero: value},
	}}}}
}

func (daemonSetTarget) notReady(w *Workload, percent int) string {
	switch enough := int32(int(w.Replicas) * percent / 100); {
	case w.ObservedGeneration < w.Generation:
		return "waiting for rollout to finish: observed daemonset generation less than desired generation"
	case w.Updated < w.Replicas:
		return fmt.Sprintf("waiting for rollout to finish: %d out of %d new pods have been updated", w.Updated, w.Replicas)
	case w.AvailableReplicas < enough:
		return fmt.Sprintf("waiting for rollout to finish: %d of %d (readyThreshold %d%%) updated pods are available",
			w.AvailableReplicas, w.Replicas, percent)
	}
	return ""
}

func (daemonSetTarget) unserved(settings) string { return "" }
