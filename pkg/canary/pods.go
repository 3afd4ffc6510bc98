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
	// Others are the labels besides that one by which the target selects its pods. They are the same on both versions.
	Others map[string]string
	// Cloned is the content of a target that is a Service, nil for the others: such a target has no pods of its own, and
	// no label tells its versions apart.
	Cloned map[string]any
	// Containers of the pod template, for named ports and port discovery.
	Containers []corev1.Container
}

// SelectorLabels are the labels that can tell the versions apart, unless the installation names others. Of those by which
// a target selects its pods the first of the list is used.
var SelectorLabels = []string{"app", "name", "app.kubernetes.io/name"}

// PodsOf reads a target's selector and pod spec. It fails when the selector has none of the labels that can tell the
// versions apart; nil stands for SelectorLabels.
func PodsOf(selectorLabels []string, matchLabels map[string]string, spec corev1.PodSpec) (Pods, error) {
	if len(selectorLabels) == 0 {
		selectorLabels = SelectorLabels
	}
	for _, label := range selectorLabels {
		if value, ok := matchLabels[label]; ok {
			others := maps.Clone(matchLabels)
			delete(others, label)
			return Pods{Label: label, Value: value, Others: others, Containers: spec.Containers}, nil
		}
	}
	return Pods{}, fmt.Errorf("selector.matchLabels has none of the labels %s", strings.Join(selectorLabels, ", "))
}

// selector selects the pods of one version, by the value of the label that tells them apart; nil where none does.
func (p Pods) selector(value string) map[string]string {
	if p.Label == "" {
		return nil
	}
	return merged(p.Others, map[string]string{p.Label: value})
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
