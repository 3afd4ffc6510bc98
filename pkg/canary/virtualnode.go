package canary

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

const (
	// annotationAccessLog on a Canary, set to enabled, makes its Envoys log requests to their standard output.
	annotationAccessLog = "appmesh.flagger.app/accesslog"
	// accessLogPath is where they log to.
	accessLogPath = "/dev/stdout"
	// arnPrefix marks a backend that is not a name in the namespace.
	arnPrefix = "arn:aws"
)

// VirtualNodes builds <apex>-primary and <apex>-canary, one for the pods of each version; none without a mesh, as all the builders.
// meshRef and awsName are left to admission, owner references to the shell.
func VirtualNodes(c *canaryv1beta1.Canary, pods Pods) []*appmeshv1beta2.VirtualNode {
	s := settings{c}
	if !s.routed() {
		return nil
	}
	return []*appmeshv1beta2.VirtualNode{
		s.virtualNode(s.primaryService(), pods, pods.primaryValue()),
		s.virtualNode(s.canaryService(), pods, pods.Value),
	}
}

// virtualNode selects its pods by the value of their label. (Flagger writes the target's name there, which selects
// nothing when the two differ.) Without such a label it selects none: the pods of a target that is a Service belong to
// virtual nodes of their own, and callers find them by the Service's name.
func (s settings) virtualNode(name string, pods Pods, value string) *appmeshv1beta2.VirtualNode {
	vn := &appmeshv1beta2.VirtualNode{
		TypeMeta:   appMeshType(appmeshv1beta2.KindVirtualNode),
		ObjectMeta: s.apexMeta(name),
		Spec: appmeshv1beta2.VirtualNodeSpec{
			Listeners: []appmeshv1beta2.Listener{{
				PortMapping: appmeshv1beta2.PortMapping{Port: s.containerPort(pods), Protocol: s.protocol()},
				Timeout:     s.listenerTimeout(),
			}},
			ServiceDiscovery: &appmeshv1beta2.ServiceDiscovery{DNS: &appmeshv1beta2.DNSServiceDiscovery{
				Hostname: fmt.Sprintf("%s.%s.svc.cluster.local.", name, s.Namespace),
			}},
			Backends: s.backends(),
		},
	}
	if selector := pods.selector(value); selector != nil {
		vn.Spec.PodSelector = &metav1.LabelSelector{MatchLabels: selector}
	}
	if s.Annotations[annotationAccessLog] == appmeshv1beta2.ValueEnabled {
		vn.Spec.Logging = &appmeshv1beta2.Logging{AccessLog: &appmeshv1beta2.AccessLog{
			File: &appmeshv1beta2.FileAccessLog{Path: accessLogPath},
		}}
	}
	return vn
}

func (s settings) backends() []appmeshv1beta2.Backend {
	var out []appmeshv1beta2.Backend
	for _, name := range s.Spec.Service.Backends {
		var b appmeshv1beta2.Backend
		if strings.HasPrefix(name, arnPrefix) {
			b.VirtualService.VirtualServiceARN = &name
		} else {
			b.VirtualService.VirtualServiceRef = &appmeshv1beta2.VirtualServiceReference{Name: name}
		}
		out = append(out, b)
	}
	return out
}

// listenerTimeout puts the timeout under http whatever the protocol, as Flagger does; for gRPC it goes where it works.
func (s settings) listenerTimeout() *appmeshv1beta2.ListenerTimeout {
	t := s.requestTimeout()
	switch {
	case t == nil:
		return nil
	case s.protocol() == appmeshv1beta2.PortProtocolGRPC:
		return &appmeshv1beta2.ListenerTimeout{GRPC: &appmeshv1beta2.GRPCTimeout{PerRequest: t}}
	}
	return &appmeshv1beta2.ListenerTimeout{HTTP: &appmeshv1beta2.HTTPTimeout{PerRequest: t}}
}

// requestTimeout is the timeout of a request; none when it is absent or cannot be read (the rulebook refuses that).
func (s settings) requestTimeout() *appmeshv1beta2.Duration {
	d, err := time.ParseDuration(s.Spec.Service.Timeout)
	if err != nil || d <= 0 {
		return nil
	}
	return inMilliseconds(d)
}

func inMilliseconds(d time.Duration) *appmeshv1beta2.Duration {
	return &appmeshv1beta2.Duration{Unit: appmeshv1beta2.DurationUnitMS, Value: d.Milliseconds()}
}

func appMeshType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: appmeshv1beta2.GroupVersion.String(), Kind: kind}
}

// apexMeta is the metadata of a virtual node: the labels and annotations of the apex service go there too.
func (s settings) apexMeta(name string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Name: name, Namespace: s.Namespace}
	if apex := s.Spec.Service.Apex; apex != nil {
		m.Labels, m.Annotations = merged(apex.Labels), merged(apex.Annotations)
	}
	return m
}
