package canary

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Annotations that keep GitOps tools from undoing what we own.
var unmanaged = map[string]string{
	"kustomize.toolkit.fluxcd.io/reconcile": "disabled",
	"helm.toolkit.fluxcd.io/driftDetection": "disabled",
}

// Services builds <apex>-canary, <apex>-primary and, last, <apex>, which selects the primary.
// Node ports and cluster addresses are for the shell to keep.
func Services(c *canaryv1beta1.Canary, pods Pods) []*corev1.Service {
	s := settings{c}
	spec := c.Spec.Service
	return []*corev1.Service{
		s.service(s.canaryService(), pods, pods.Value, spec.Canary),
		s.service(s.primaryService(), pods, pods.primaryValue(), spec.Primary),
		s.service(s.apex(), pods, pods.primaryValue(), spec.Apex),
	}
}

// TargetSelector is that of an apex Service which leads to the target: before the Canary came, and when it goes.
func TargetSelector(pods Pods) map[string]string { return pods.selector(pods.Value) }

func (s settings) service(name string, pods Pods, value string, meta *canaryv1beta1.CustomMetadata) *corev1.Service {
	if meta == nil {
		meta = &canaryv1beta1.CustomMetadata{}
	}
	svc := &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Namespace:   s.Namespace,
			Labels:      merged(meta.Labels, map[string]string{pods.Label: name}),
			Annotations: merged(meta.Annotations, unmanaged),
		},
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: pods.selector(value),
			Ports:    s.servicePorts(pods),
		},
	}
	if others := s.Spec.Service.UnmanagedMetadata; others != nil {
		// Whoever these keys belong to writes them. All keys that we do not want are left alone in any case.
		for _, key := range others.Labels {
			delete(svc.Labels, key)
		}
		for _, key := range others.Annotations {
			delete(svc.Annotations, key)
		}
	}
	if s.Spec.Service.Headless {
		svc.Spec.ClusterIP = corev1.ClusterIPNone
	}
	if d := s.Spec.Service.TrafficDistribution; d != "" {
		svc.Spec.TrafficDistribution = &d
	}
	return svc
}

func (s settings) servicePorts(pods Pods) []corev1.ServicePort {
	spec := s.Spec.Service
	port := int32(spec.Port.Int())
	main := corev1.ServicePort{
		Name: spec.PortName, Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromInt32(port),
	}
	if main.Name == "" {
		main.Name = "http"
	}
	if t := spec.TargetPort; t != nil && (t.Type == intstr.String || t.IntVal > 0) {
		main.TargetPort = *t
	}
	if p := spec.AppProtocol; p != "" {
		main.AppProtocol = &p
	}
	ports := []corev1.ServicePort{main}
	if spec.PortDiscovery {
		ports = append(ports, discoveredPorts(pods, main)...)
	}
	return ports
}

// discoveredPorts are the other ports of the containers, except those of sidecars.
func discoveredPorts(pods Pods, main corev1.ServicePort) []corev1.ServicePort {
	var out []corev1.ServicePort
	for _, c := range pods.Containers {
		if c.Name == "envoy" || c.Name == "istio-proxy" {
			continue
		}
		for i, p := range c.Ports {
			if p.ContainerPort == main.Port || p.ContainerPort == main.TargetPort.IntVal ||
				p.Name != "" && (p.Name == main.TargetPort.StrVal || p.Name == main.Name) {
				continue
			}
			name := p.Name
			if name == "" {
				name = fmt.Sprintf("tcp-%s-%d", c.Name, i)
			}
			protocol := p.Protocol
			if protocol == "" {
				protocol = corev1.ProtocolTCP
			}
			out = append(out, corev1.ServicePort{
				Name: name, Protocol: protocol, Port: p.ContainerPort, TargetPort: intstr.FromInt32(p.ContainerPort),
			})
		}
	}
	return out
}
