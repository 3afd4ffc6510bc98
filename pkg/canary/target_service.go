package canary

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// serviceTarget is a Service whose selector or ports are the release: pods of both versions run in any case, and belong
// to whoever made them. Only Services are cloned:
//
//	<target>            the user's own, left alone; callers outside the mesh use it
//	<target>-canary     follows the target
//	<target>-primary    what was promoted
type serviceTarget struct{}

func (serviceTarget) GroupVersionKind() schema.GroupVersionKind {
	return corev1.SchemeGroupVersion.WithKind(canaryv1beta1.TargetKindService)
}

// Content is what a clone takes over: where the traffic goes. Addresses and node ports are each Service's own.
func (serviceTarget) Content(object map[string]any) map[string]any {
	spec, out := dig(object, "spec"), map[string]any{}
	if selector, ok := spec["selector"]; ok {
		out["selector"] = runtime.DeepCopyJSONValue(selector)
	}
	var ports []any
	for _, p := range items(spec["ports"]) {
		if port, ok := p.(map[string]any); ok {
			port = runtime.DeepCopyJSON(port)
			delete(port, "nodePort")
			ports = append(ports, port)
		}
	}
	if ports != nil {
		out["ports"] = ports
	}
	return out
}

// Pods of a Service are told apart by nothing of ours. What its clone is made of is kept instead.
func (t serviceTarget) Pods(object map[string]any, _ []string) (Pods, error) {
	return Pods{Cloned: t.Content(object)}, nil
}

func (serviceTarget) Selector(object map[string]any) (*metav1.LabelSelector, error) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for k, v := range dig(object, "spec", "selector") {
		selector.MatchLabels[k], _ = v.(string)
	}
	if len(selector.MatchLabels) == 0 {
		return nil, fmt.Errorf("the Service has no selector")
	}
	return selector, nil
}

// OwnsPod: whatever a Service selects is its.
func (serviceTarget) OwnsPod(string, string) bool { return true }

func (serviceTarget) CountsEndpoints() bool { return true }

// Observe counts a Service as one replica that is there when it has an endpoint.
func (serviceTarget) Observe(object map[string]any, readyEndpoints int32) (*Workload, error) {
	w := observedObject(object)
	w.Generation = 0 // nobody reports to have observed that of a Service
	w.Replicas = max(1, readyEndpoints)
	w.Total, w.Updated = w.Replicas, w.Replicas
	w.Ready, w.AvailableReplicas = readyEndpoints, readyEndpoints
	return w, nil
}

func (serviceTarget) Primary(c *canaryv1beta1.Canary, _ Pods, src PrimarySource) map[string]any {
	s := settings{c}
	out := s.clonedService(s.primaryName(), src.Template, c.Spec.Service.Primary)
	child(child(out, "metadata"), "annotations")[annotationRevision] = src.Revision
	return out
}

func (serviceTarget) OwnedFields() []string { return []string{"selector", "ports"} }

func (serviceTarget) Autoscaled() bool { return false }

func (serviceTarget) Scale(map[string]any, TargetScale) map[string]any { return nil }

func (serviceTarget) notReady(w *Workload, _ int) string {
	if w.Ready == 0 {
		return fmt.Sprintf("waiting for rollout to finish: service %q has no ready endpoint", w.Name)
	}
	return ""
}

func (serviceTarget) unserved(s settings) string {
	if s.apex() != s.Spec.TargetRef.Name {
		return fmt.Sprintf("service.name %s must be absent or the name of the target, which is a Service", s.apex())
	}
	return ""
}

// ClonedService builds <target>-canary for a target that is a Service.
func ClonedService(c *canaryv1beta1.Canary, pods Pods) map[string]any {
	s := settings{c}
	return s.clonedService(s.canaryService(), pods.Cloned, c.Spec.Service.Canary)
}

func (s settings) clonedService(name string, content map[string]any, meta *canaryv1beta1.CustomMetadata) map[string]any {
	if meta == nil {
		meta = &canaryv1beta1.CustomMetadata{}
	}
	metadata := map[string]any{"name": name, "namespace": s.Namespace, "annotations": anyMap(merged(meta.Annotations, unmanaged))}
	if len(meta.Labels) > 0 {
		metadata["labels"] = anyMap(meta.Labels)
	}
	return map[string]any{
		"apiVersion": "v1", "kind": canaryv1beta1.TargetKindService, "metadata": metadata,
		"spec": runtime.DeepCopyJSON(content),
	}
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
