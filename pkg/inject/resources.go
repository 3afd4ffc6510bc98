package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// envoyResources are those of the configuration, each overridden by its annotation.
func envoyResources(p *patch) (corev1.ResourceRequirements, error) {
	r, asked := configured(p), map[corev1.ResourceName]bool{}
	for _, o := range []struct {
		annotation string
		list       corev1.ResourceList
		name       corev1.ResourceName
		request    bool
	}{
		{appmeshv1beta2.AnnotationCPURequest, r.Requests, corev1.ResourceCPU, true},
		{appmeshv1beta2.AnnotationMemoryRequest, r.Requests, corev1.ResourceMemory, true},
		{appmeshv1beta2.AnnotationCPULimit, r.Limits, corev1.ResourceCPU, false},
		{appmeshv1beta2.AnnotationMemoryLimit, r.Limits, corev1.ResourceMemory, false},
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
		asked[o.name] = asked[o.name] || o.request
	}
	return fitted(r, asked), nil
}

// initResources are those of the configuration.
func initResources(p *patch) corev1.ResourceRequirements { return fitted(configured(p), nil) }

// configured reads the quantities of the configuration, which Validate has checked.
func configured(p *patch) corev1.ResourceRequirements {
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

// fitted lowers a request that is only the installation's default to the limit: a request above its limit would get the
// pod refused. What the pod asked for itself stays.
func fitted(r corev1.ResourceRequirements, asked map[corev1.ResourceName]bool) corev1.ResourceRequirements {
	for name, request := range r.Requests {
		if limit, limited := r.Limits[name]; limited && !asked[name] && request.Cmp(limit) > 0 {
			r.Requests[name] = limit
		}
	}
	return r
}
