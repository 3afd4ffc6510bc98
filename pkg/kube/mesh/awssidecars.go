package mesh

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Pods from before us have a sidecar of AWS, which keeps the configuration it got last and never gets another, and maybe a
// readiness gate that nobody opens any more. This file is pure.

// foreignPod is what is left of a pod without our proxy. Most have neither a sidecar of AWS nor the gate.
type foreignPod struct {
	metav1.ObjectMeta
	// pod is what decides whether it should have our proxy.
	pod *inject.Pod
	// resource is what the sidecar says it is: mesh/<mesh>/virtualNode/<name>, or an ARN that ends so. sidecar tells that
	// there is one, even if it does not say.
	sidecar  bool
	resource string
	// workload is what to restart, as kubectl takes it; empty for a pod of nothing that can be.
	workload string
	// gated tells that the pod has App Mesh's readiness gate; open that its condition is True.
	gated, open bool
}

// relevant tells that there may be something to do about the pod.
func (p *foreignPod) relevant() bool { return p.sidecar || p.gated && !p.open || inject.MayAsk(p.pod) }

// trimForeignPod is the transform of the watch on pods without our proxy.
func trimForeignPod(obj any) (any, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	out := &foreignPod{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion, DeletionTimestamp: pod.DeletionTimestamp,
	}, pod: inject.PodOf(pod), workload: workloadOf(pod)}
	for _, gate := range pod.Spec.ReadinessGates {
		out.gated = out.gated || gate.ConditionType == appmeshv1beta2.ConditionCloudMapHealthy
	}
	for _, c := range pod.Status.Conditions {
		out.open = out.open || c.Type == appmeshv1beta2.ConditionCloudMapHealthy && c.Status == corev1.ConditionTrue
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if resource, is := awsSidecar(c); is {
			out.sidecar, out.resource = true, resource
		}
	}
	return out, nil
}

// awsSidecar recognizes the proxy by what it is told, or by its image.
func awsSidecar(c corev1.Container) (resource string, is bool) {
	for _, env := range c.Env {
		if env.Name == "APPMESH_RESOURCE_ARN" || env.Name == "APPMESH_VIRTUAL_NODE_NAME" {
			resource, is = cmp.Or(resource, env.Value), true
		}
	}
	return resource, is || c.Name == "envoy" && strings.Contains(c.Image, "aws-appmesh-envoy")
}

// workloadOf names what has to be restarted so that the pod is made anew.
func workloadOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return ""
	}
	switch hash := pod.Labels["pod-template-hash"]; {
	case owner.Kind == "ReplicaSet" && hash != "":
		return "deployment/" + strings.TrimSuffix(owner.Name, "-"+hash)
	case owner.Kind == "StatefulSet" || owner.Kind == "DaemonSet":
		return strings.ToLower(owner.Kind) + "/" + owner.Name
	}
	return ""
}

// openGate is the patch that makes a pod with the gate ready as far as the gate goes.
func openGate(now metav1.Time) corev1.PodCondition {
	return corev1.PodCondition{
		Type: appmeshv1beta2.ConditionCloudMapHealthy, Status: corev1.ConditionTrue, LastTransitionTime: now,
		Reason: "CloudMapGone", Message: "endpoints come from Kubernetes, so nothing is registered in Cloud Map",
	}
}

// oldSidecars tells of the pods with a sidecar of AWS: on the virtual node or gateway that they are, else on their mesh.
func oldSidecars(pods []*foreignPod, s mesh.Snapshot) []mesh.Problem {
	if !slices.ContainsFunc(pods, func(p *foreignPod) bool { return p.sidecar }) {
		return nil // as it is most of the time
	}
	owners := resources(s)
	of := map[mesh.ObjectRef][]*foreignPod{}
	for _, pod := range pods {
		if !pod.sidecar || pod.DeletionTimestamp != nil {
			continue
		}
		if ref, ok := owners[resourceOf(pod.resource)]; ok {
			of[ref] = append(of[ref], pod)
		} else if ref, ok := owners[awsResource{mesh: resourceOf(pod.resource).mesh}]; ok {
			of[ref] = append(of[ref], pod)
		}
	}
	var out []mesh.Problem
	for ref, pods := range of {
		slices.SortFunc(pods, func(a, b *foreignPod) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		})
		out = append(out, mesh.Problem{
			Object: ref, Reason: mesh.ReasonOldSidecars, Transient: true,
			Err: field.Invalid(field.NewPath("pods"), firstOf(pods, func(p *foreignPod) string { return p.Name }), fmt.Sprintf(
				"%d pods still have the sidecar of AWS, which keeps its last configuration and cannot start again; run: %s", len(pods), restart(pods))),
		})
	}
	slices.SortFunc(out, mesh.Problem.Compare)
	return out
}

// maxListed keeps a condition readable.
const maxListed = 5

func firstOf(pods []*foreignPod, name func(*foreignPod) string) string {
	var names []string
	for _, pod := range pods {
		if n := name(pod); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) > maxListed {
		names = append(names[:maxListed:maxListed], fmt.Sprintf("and %d more", len(names)-maxListed))
	}
	return strings.Join(names, ", ")
}

// restart is the command that makes the pods anew.
func restart(pods []*foreignPod) string {
	var commands []string
	for _, pod := range pods {
		command := "kubectl -n " + pod.Namespace + " rollout restart " + pod.workload
		if pod.workload == "" {
			command = "kubectl -n " + pod.Namespace + " delete pod " + pod.Name + ", and create it again"
		}
		if !slices.Contains(commands, command) {
			commands = append(commands, command)
		}
	}
	if len(commands) > maxListed {
		commands = append(commands[:maxListed:maxListed], fmt.Sprintf("and %d more", len(commands)-maxListed))
	}
	return strings.Join(commands, "; ")
}

// awsResource is how a sidecar names itself. Kind and name are empty for the mesh alone.
type awsResource struct{ mesh, kind, name string }

func resourceOf(arn string) awsResource {
	of, word, name, ok := mesh.ParseARN(arn)
	if !ok {
		return awsResource{}
	}
	return awsResource{mesh: of, kind: strings.ToLower(word), name: name}
}

// resources finds meshes, virtual nodes and gateways by their names in the mesh.
func resources(s mesh.Snapshot) map[awsResource]mesh.ObjectRef {
	out, meshes := map[awsResource]mesh.ObjectRef{}, map[string]string{}
	for _, m := range s.Meshes {
		meshes[m.Name] = mesh.NameOf(m)
		out[awsResource{mesh: mesh.NameOf(m)}] = mesh.ObjectRef{Kind: mesh.KindMesh, Name: m.Name}
	}
	add := func(kind string, o metav1.Object, of *appmeshv1beta2.MeshReference) {
		if of != nil {
			out[awsResource{cmp.Or(meshes[of.Name], of.Name), strings.ToLower(kind), mesh.NameOf(o)}] =
				mesh.ObjectRef{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}
		}
	}
	for _, v := range s.VirtualNodes {
		add(mesh.KindVirtualNode, v, v.Spec.MeshRef)
	}
	for _, v := range s.VirtualGateways {
		add(mesh.KindVirtualGateway, v, v.Spec.MeshRef)
	}
	return out
}
