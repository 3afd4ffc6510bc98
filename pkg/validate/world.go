package validate

import (
	"cmp"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// World is what a rule may know besides the object: what its caller has gathered, from caches or from files. It may
// hold the object itself, in its old form. Lists need not be limited to one namespace, nor be sorted.
type World struct {
	// At says who asks; the zero value is Admission.
	At Place
	// NamespaceLabels are the labels of the object's namespace.
	NamespaceLabels map[string]string

	// Objects finds what an object of the mesh leads to; nil if nobody can tell, and then nothing is said about it.
	Objects mesh.Objects

	Meshes          []*appmeshv1beta2.Mesh
	VirtualGateways []*appmeshv1beta2.VirtualGateway
	Canaries        []*canaryv1beta1.Canary
	HPAs            []*autoscalingv2.HorizontalPodAutoscaler
}

// workload names what is released and what is scaled. The version of its group does not tell two workloads apart.
type workload struct{ namespace, group, kind, name string }

func (w workload) String() string { return quoted(w.kind, w.name) }

func group(apiVersion string) string {
	before, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return "" // the core group has just a version
	}
	return before
}

func targetOf(canary *canaryv1beta1.Canary) workload {
	ref := canary.Spec.TargetRef
	return workload{canary.Namespace, group(ref.APIVersion), ref.Kind, ref.Name}
}

func scaledBy(hpa *autoscalingv2.HorizontalPodAutoscaler) workload {
	ref := hpa.Spec.ScaleTargetRef
	return workload{hpa.Namespace, group(ref.APIVersion), ref.Kind, ref.Name}
}

// canariesOf lists the Canaries that satisfy the condition and are not on their way out, by name.
func (w World) canariesOf(namespace string, wanted func(*canaryv1beta1.Canary) bool) []*canaryv1beta1.Canary {
	var found []*canaryv1beta1.Canary
	for _, canary := range w.Canaries {
		if canary.Namespace == namespace && canary.DeletionTimestamp == nil && wanted(canary) {
			found = append(found, canary)
		}
	}
	slices.SortFunc(found, func(a, b *canaryv1beta1.Canary) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// hpasOf lists the autoscalers of a workload that are not on their way out, by name.
func (w World) hpasOf(target workload) []*autoscalingv2.HorizontalPodAutoscaler {
	var found []*autoscalingv2.HorizontalPodAutoscaler
	for _, hpa := range w.HPAs {
		if hpa.DeletionTimestamp == nil && scaledBy(hpa) == target {
			found = append(found, hpa)
		}
	}
	slices.SortFunc(found, func(a, b *autoscalingv2.HorizontalPodAutoscaler) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// hpa finds an autoscaler by name; nil when it is not there, or not yet.
func (w World) hpa(namespace, name string) *autoscalingv2.HorizontalPodAutoscaler {
	for _, hpa := range w.HPAs {
		if hpa.Namespace == namespace && hpa.Name == name {
			return hpa
		}
	}
	return nil
}

// quoted names an object the way sentences do: Deployment "podinfo".
func quoted(kind, name string) string { return kind + ` "` + name + `"` }
