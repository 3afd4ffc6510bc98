package inject

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// NodeCandidate is what a virtual node means for pods. mesh is Target.MeshName.
func NodeCandidate(node *appmeshv1beta2.VirtualNode, mesh string) Candidate {
	out := candidateOf(KindVirtualNode, node, mesh, node.Spec.AWSName, node.Spec.PodSelector)
	for _, listener := range node.Spec.Listeners {
		out.Ports = append(out.Ports, int32(listener.PortMapping.Port))
	}
	return out
}

// GatewayCandidate is what a virtual gateway means for pods.
func GatewayCandidate(gateway *appmeshv1beta2.VirtualGateway, mesh string) Candidate {
	out := candidateOf(KindVirtualGateway, gateway, mesh, gateway.Spec.AWSName, gateway.Spec.PodSelector)
	for _, listener := range gateway.Spec.Listeners {
		out.Ports = append(out.Ports, int32(listener.PortMapping.Port))
	}
	return out
}

func candidateOf(kind Kind, object metav1.Object, mesh string, awsName *string, selector *metav1.LabelSelector) Candidate {
	out := Candidate{Selector: selector, Target: Target{
		Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(), MeshName: mesh,
		AWSName: object.GetName() + "_" + object.GetNamespace(),
	}}
	if awsName != nil && *awsName != "" {
		out.AWSName = *awsName
	}
	return out
}
