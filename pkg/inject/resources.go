package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// envoyResources are those of the configuration, each overridden by its annotation.
func envoyResources(p *patch) (corev1.ResourceRequirements, error) {
	r := initResources(p)
	for _, o := range []struct {
		annotation string
		list       corev1.ResourceList
		name       corev1.ResourceName
	}{
		{appmeshv1beta2.AnnotationCPURequest, r.Requests, corev1.ResourceCPU},
		{appmeshv1beta2.AnnotationMemoryRequest, r.Requests, corev1.ResourceMemory},
		{appmeshv1beta2.AnnotationCPULimit, r.Limits, corev1.ResourceCPU},
		{appmeshv1beta2.AnnotationMemoryLimit, r.Limits, corev1.ResourceMemory},
	} {
		text, ok := p.pod.annotation(o.annotation)
		if !ok {
			continue
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return corev1.ResourceRequirements{}, fmt.Errorf("malformed annotation %s: %q is not a quantity such as 100m or 64Mi", o.annotation, text)
		}
		o.list[o.name] = q
	}
	return fitted(p.pod, r), nil
}

// initResources are those of the configuration, which Validate has checked.
func initResources(p *patch) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	set := func(list corev1.ResourceList, name corev1.ResourceName, value string) {
		if q, err := resource.ParseQuantity(value); err == nil {
			list[name] = q
		}
	}
	set(r.Requests, corev1.ResourceCPU, p.cfg.CPURequest)
	set(r.Requests, corev1.ResourceMemory, p.cfg.MemoryRequest)
	set(r.Limits, corev1.ResourceCPU, p.cfg.CPULimit)
	set(r.Limits, corev1.ResourceMemory, p.cfg.MemoryLimit)
	return r
}

// fitted lowers a request that is only the installation's default to the limit that the pod asks for: a request
// above its limit would get the pod refused.
func fitted(pod *Pod, r corev1.ResourceRequirements) corev1.ResourceRequirements {
	asked := map[corev1.ResourceName]string{
		corev1.ResourceCPU:    appmeshv1beta2.AnnotationCPURequest,
		corev1.ResourceMemory: appmeshv1beta2.AnnotationMemoryRequest,
	}
	for name, annotation := range asked {
		limit, limited := r.Limits[name]
		request, ok := r.Requests[name]
		if _, own := pod.annotation(annotation); limited && ok && !own && request.Cmp(limit) > 0 {
			r.Requests[name] = limit
		}
	}
	return r
}
