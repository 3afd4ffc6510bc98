package validate

import (
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
	// Policy is what the owners of the cluster say of the rulebook.
	Policy Policy
	// SelectorLabels are the labels that can tell the two versions of a target apart, as the canary process was told; none
	// stands for canary.SelectorLabels.
	SelectorLabels []string
	// Cluster finds what the object is related to; nil if nobody can tell, and then nothing is said about it.
	Cluster Cluster
	// NamespaceLabels are the labels of the object's namespace.
	NamespaceLabels map[string]string

	// Objects finds what an object of the mesh leads to; nil if nobody can tell, and then nothing is said about it.
	Objects mesh.Objects

	Meshes          []*appmeshv1beta2.Mesh
	VirtualGateways []*appmeshv1beta2.VirtualGateway
}

// workload names what is released and what is scaled. The version of its group does not tell two workloads apart.
type workload struct{ namespace, group, kind, name string }

func (w workload) String() string { return quoted(w.kind, w.name) }

func (w workload) key() string { return key(w.namespace, w.group, w.kind, w.name) }

func group(apiVersion string) string {
	before, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return "" // the core group has just a version
	}
	return before
}

// targetOf is what a Canary releases. Its kind says which group that is in; what apiVersion says is SL022's matter.
func targetOf(canary *canaryv1beta1.Canary) workload {
	ref := canary.Spec.TargetRef
	of, known := targetGroups[ref.Kind]
	if !known {
		of = group(ref.APIVersion)
	}
	return workload{canary.Namespace, of, ref.Kind, ref.Name}
}

func scaledByHPA(hpa *autoscalingv2.HorizontalPodAutoscaler) workload {
	ref := hpa.Spec.ScaleTargetRef
	return workload{hpa.Namespace, group(ref.APIVersion), ref.Kind, ref.Name}
}

// canariesOf lists the Canaries of a workload, by name.
func (w World) canariesOf(target workload) []*canaryv1beta1.Canary {
	return staying[canaryv1beta1.Canary](w, kindCanary, releases, target.key())
}

// canariesScaledBy lists the Canaries that name an autoscaler, by name.
func (w World) canariesScaledBy(kind, namespace, name string) []*canaryv1beta1.Canary {
	return staying[canaryv1beta1.Canary](w, kindCanary, scaledBy, key(kind, namespace, name))
}

// hpasOf lists the autoscalers of a workload, by name.
func (w World) hpasOf(target workload) []*autoscalingv2.HorizontalPodAutoscaler {
	return staying[autoscalingv2.HorizontalPodAutoscaler](w, kindHPA, scales, target.key())
}

// hpa finds an autoscaler by name; nil when it is not there, or not yet.
func (w World) hpa(namespace, name string) *autoscalingv2.HorizontalPodAutoscaler {
	return find[autoscalingv2.HorizontalPodAutoscaler](w, kindHPA, namespace, name)
}

// quoted names an object the way sentences do: Deployment "podinfo".
func quoted(kind, name string) string { return kind + ` "` + name + `"` }
