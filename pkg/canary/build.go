package canary

import (
	corev1 "k8s.io/api/core/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Pods is what the builders need to know of the target's pods.
type Pods struct {
	// Label is the label that tells the versions apart, Value its value on the target's pods.
	// On the primary's it is Value with -primary.
	Label, Value string
	// Containers of the pod template, for named ports and port discovery.
	Containers []corev1.Container
}

// PodsOf reads a target's selector and pod spec. It fails when the selector has none of the labels that we can use.
func PodsOf(matchLabels map[string]string, spec corev1.PodSpec) (Pods, error) { return Pods{}, nil }

// VirtualNodes builds <apex>-primary and <apex>-canary. Owner references are the shell's.
func VirtualNodes(c *canaryv1beta1.Canary, pods Pods) []*appmeshv1beta2.VirtualNode { return nil }

// VirtualRouters builds the router of the apex, with the given weights, and that of <apex>-canary.
func VirtualRouters(c *canaryv1beta1.Canary, pods Pods, w Weights) []*appmeshv1beta2.VirtualRouter {
	return nil
}

// VirtualServices builds those of the apex and of <apex>-canary.
func VirtualServices(c *canaryv1beta1.Canary) []*appmeshv1beta2.VirtualService { return nil }

// Services builds <apex>-canary, <apex>-primary and, last, <apex>.
func Services(c *canaryv1beta1.Canary, pods Pods) []*corev1.Service { return nil }

// PrimarySource is what the primary is made from.
type PrimarySource struct {
	// Target is the target Deployment as the API gives it.
	Target map[string]any
	// Template is the pod template that was kept under Revision.
	Template map[string]any
	// Revision is what the primary will run.
	Revision string
	// Current is the primary as it is, nil to create it.
	Current map[string]any
	// MinReplicas is the floor of its replicas, 0 for none.
	MinReplicas int32
}

// PrimaryDeployment builds the primary. Fields that it does not know survive, in the source and in the primary.
func PrimaryDeployment(c *canaryv1beta1.Canary, pods Pods, src PrimarySource) map[string]any {
	return nil
}

// PrimaryHPA builds the primary's copy of a HorizontalPodAutoscaler, with a floor when minReplicas is not nil.
func PrimaryHPA(c *canaryv1beta1.Canary, hpa map[string]any, minReplicas *int32) map[string]any {
	return nil
}
