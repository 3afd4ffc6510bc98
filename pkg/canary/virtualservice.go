package canary

import (
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// VirtualServices builds those of the apex and of <apex>-canary, each served by the router of its name.
// The annotations of the first tell a gateway which hosts to expose it under.
func VirtualServices(c *canaryv1beta1.Canary) []*appmeshv1beta2.VirtualService {
	s := settings{c}
	if !s.routed() {
		return nil
	}
	apex := s.virtualService(s.apex())
	apex.Annotations = s.gatewayAnnotations()
	return []*appmeshv1beta2.VirtualService{apex, s.virtualService(s.canaryService())}
}

func (s settings) virtualService(name string) *appmeshv1beta2.VirtualService {
	return &appmeshv1beta2.VirtualService{
		TypeMeta:   appMeshType(appmeshv1beta2.KindVirtualService),
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace},
		Spec: appmeshv1beta2.VirtualServiceSpec{Provider: &appmeshv1beta2.VirtualServiceProvider{
			VirtualRouter: &appmeshv1beta2.VirtualRouterServiceProvider{
				VirtualRouterRef: &appmeshv1beta2.VirtualRouterReference{Name: name},
			},
		}},
	}
}

// gatewayAnnotations are those that flagger-appmesh-gateway reads, comma after the last host included.
func (s settings) gatewayAnnotations() map[string]string {
	svc := s.Spec.Service
	if strings.Join(svc.Hosts, "") == "" {
		return nil
	}
	a := map[string]string{
		appmeshv1beta2.AnnotationGatewayExpose: "true",
		appmeshv1beta2.AnnotationGatewayDomain: strings.Join(svc.Hosts, ",") + ",",
	}
	if svc.Timeout != "" {
		a[appmeshv1beta2.AnnotationGatewayTimeout] = svc.Timeout
	}
	if r := svc.Retries; r != nil && r.Attempts != nil && *r.Attempts > 0 {
		a[appmeshv1beta2.AnnotationGatewayRetries] = strconv.Itoa(int(*r.Attempts))
	}
	return a
}
