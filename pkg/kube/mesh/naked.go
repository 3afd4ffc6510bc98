package mesh

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Pods can come to life without their proxy: where the webhook's failure policy is Ignore and it did not answer, or because
// they are older than what asks for one. This file is pure.

// nakedPod is a pod without a proxy of which somebody should hear.
type nakedPod struct {
	*foreignPod
	inject.Remark
}

// findNaked reviews the pods without a proxy of ours. Those with a sidecar of AWS are told about apart.
func findNaked(pods []*foreignPod, s mesh.Snapshot, systemNamespace string) []nakedPod {
	labels := map[string]map[string]string{}
	for _, n := range s.Namespaces {
		if asked, _ := inject.Asked(n.Name, systemNamespace, n.Labels); asked {
			labels[n.Name] = n.Labels
		}
	}
	var index *inject.Index
	var out []nakedPod
	for _, pod := range pods {
		if labels[pod.Namespace] == nil || pod.sidecar || pod.DeletionTimestamp != nil {
			continue
		}
		if index == nil { // most of the time there is no such pod
			index = selectorsOf(s)
		}
		if remark, told := inject.Review(pod.pod, systemNamespace, labels[pod.Namespace], index); told {
			out = append(out, nakedPod{pod, remark})
		}
	}
	slices.SortFunc(out, func(a, b nakedPod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// selectorsOf files what selects pods. A selector that cannot be read selects nothing, and is told about elsewhere.
func selectorsOf(s mesh.Snapshot) *inject.Index {
	index := &inject.Index{}
	for _, v := range s.VirtualNodes {
		if v.Spec.MeshRef != nil {
			_ = index.Set(inject.NodeCandidate(v, v.Spec.MeshRef.Name))
		}
	}
	for _, v := range s.VirtualGateways {
		if v.Spec.MeshRef != nil {
			_ = index.Set(inject.GatewayCandidate(v, v.Spec.MeshRef.Name))
		}
	}
	return index
}

// nakedProblems tells virtual nodes and gateways of the pods that miss their proxy.
func nakedProblems(pods []nakedPod) []mesh.Problem {
	of := map[mesh.ObjectRef][]*foreignPod{}
	for _, pod := range pods {
		if pod.Reason == inject.ReasonNaked {
			ref := mesh.ObjectRef{Kind: string(pod.Target.Kind), Namespace: pod.Target.Namespace, Name: pod.Target.Name}
			of[ref] = append(of[ref], pod.foreignPod)
		}
	}
	var out []mesh.Problem
	for ref, pods := range of {
		out = append(out, mesh.Problem{
			Object: ref, Reason: mesh.ReasonNakedPods, Transient: true,
			Err: field.Invalid(field.NewPath("pods"), firstOf(pods, func(p *foreignPod) string { return p.Name }), fmt.Sprintf(
				"%d pods run without a proxy, so the mesh does nothing for their traffic; run: %s", len(pods), restart(pods))),
		})
	}
	slices.SortFunc(out, mesh.Problem.Compare)
	return out
}

// event is what the pod itself is told.
func (p nakedPod) event() (kind, reason, message string) {
	kind, message = corev1.EventTypeNormal, p.Message
	if p.Mistake {
		kind = corev1.EventTypeWarning
	}
	if p.Reason == inject.ReasonNaked {
		message = fmt.Sprintf("%s; %s %s/%s selects it; run: %s", p.Message, p.Target.Kind, p.Target.Namespace, p.Target.Name, restart([]*foreignPod{p.foreignPod}))
	} else {
		message = "no proxy: " + message
	}
	return kind, string(p.Reason), message
}
