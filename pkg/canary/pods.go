package canary

import (
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Pods is what the builders need to know of the target's pods.
type Pods struct {
	// Label is the label that tells the versions apart, Value its value on the target's pods.
	// On the primary's pods it is Value with -primary.
	Label, Value string
	// Containers of the pod template, for named ports and port discovery.
	Containers []corev1.Container
}

// selectorLabels are the labels that can tell the versions apart, the first that the target selects by wins.
var selectorLabels = []string{"app", "name", "app.kubernetes.io/name"}

// PodsOf reads a target's selector and pod spec. It fails when the selector has none of the labels that we can use.
func PodsOf(matchLabels map[string]string, spec corev1.PodSpec) (Pods, error) {
	for _, label := range selectorLabels {
		if value, ok := matchLabels[label]; ok {
			return Pods{Label: label, Value: value, Containers: spec.Containers}, nil
		}
	}
	return Pods{}, fmt.Errorf("selector.matchLabels has none of the labels %s", strings.Join(selectorLabels, ", "))
}

func (p Pods) primaryValue() string { return p.Value + "-primary" }

// containerPort is where the pods listen: the service's target port, by number or by the name of a container's port.
// A name that no container has falls back to the service's port, as Flagger does with every name.
func (s settings) containerPort(pods Pods) int64 {
	target := s.Spec.Service.TargetPort
	port := int64(s.Spec.Service.Port.Int())
	if target == nil {
		return port
	}
	if target.Type == intstr.Int {
		if target.IntVal > 0 {
			return int64(target.IntVal)
		}
		return port
	}
	for _, c := range pods.Containers {
		for _, p := range c.Ports {
			if p.Name == target.StrVal {
				return int64(p.ContainerPort)
			}
		}
	}
	return port
}

// protocol is what the pods speak as far as the port's name tells.
func (s settings) protocol() appmeshv1beta2.PortProtocol {
	if strings.Contains(s.Spec.Service.PortName, "grpc") {
		return appmeshv1beta2.PortProtocolGRPC
	}
	return appmeshv1beta2.PortProtocolHTTP
}

// merged returns the union of maps; later ones win. It is nil when there is nothing.
func merged(all ...map[string]string) map[string]string {
	var out map[string]string
	for _, m := range all {
		if out == nil && len(m) > 0 {
			out = map[string]string{}
		}
		maps.Copy(out, m)
	}
	return out
}
