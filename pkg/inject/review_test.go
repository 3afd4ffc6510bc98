package inject

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestReview(t *testing.T) {
	index := &Index{}
	for _, c := range []Candidate{
		{Target: Target{Kind: KindVirtualNode, Namespace: "demo", Name: "web", MeshName: "m"}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		{Target: Target{Kind: KindVirtualNode, Namespace: "demo", Name: "both", MeshName: "m"}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"role": "both"}}},
		{Target: Target{Kind: KindVirtualGateway, Namespace: "demo", Name: "edge", MeshName: "m"}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "edge"}}},
	} {
		if err := index.Set(c); err != nil {
			t.Fatal(err)
		}
	}
	enabled := map[string]string{"appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}
	opted := map[string]string{"appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"}
	pod := func(app string, change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "p", Labels: map[string]string{"app": app}, Annotations: map[string]string{}}}
		if change != nil {
			change(p)
		}
		return p
	}
	const silence = ""
	for name, tc := range map[string]struct {
		pod     *corev1.Pod
		labels  map[string]string
		want    Reason
		target  string
		mistake bool
	}{
		"it would get a proxy now":                   {pod("web", nil), enabled, ReasonNaked, "demo/web", true},
		"it would get one that Pod Security forbids": {pod("web", nil), map[string]string{"appmesh.k8s.aws/sidecarInjectorWebhook": "enabled", "pod-security.kubernetes.io/enforce": "restricted"}, ReasonNaked, "demo/web", true},
		"it asks for one itself":                     {pod("web", func(p *corev1.Pod) { p.Annotations["appmesh.k8s.aws/sidecarInjectorWebhook"] = "enabled" }), opted, ReasonNaked, "demo/web", true},
		"nothing selects it any more":                {pod("other", nil), enabled, ReasonNoMatch, "/", true},
		"two select it":                              {pod("web", func(p *corev1.Pod) { p.Labels["role"] = "both" }), enabled, ReasonManyVirtualNodes, "/", true},
		"a gateway without its container":            {pod("edge", nil), enabled, ReasonNoGatewayContainer, "/", true},
		"the network of the node":                    {pod("web", func(p *corev1.Pod) { p.Spec.HostNetwork = true }), enabled, ReasonHostNetwork, "/", false},
		"Windows":                                    {pod("web", func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }), enabled, ReasonWindows, "/", false},
		"it wants none":                              {pod("web", func(p *corev1.Pod) { p.Annotations["appmesh.k8s.aws/sidecarInjectorWebhook"] = "disabled" }), enabled, silence, "", false},
		"the namespace wants none by default":        {pod("web", nil), opted, silence, "", false},
		"the namespace says nothing":                 {pod("web", nil), nil, silence, "", false},
		"a namespace that is never asked":            {pod("web", func(p *corev1.Pod) { p.Namespace = "sluice-system" }), enabled, silence, "", false},
		"the mirror of a static pod":                 {pod("web", func(p *corev1.Pod) { p.Annotations["kubernetes.io/config.mirror"] = "x" }), enabled, silence, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, told := Review(PodOf(tc.pod), "sluice-system", tc.labels, index)
			if told != (tc.want != silence) || told && (got.Reason != tc.want || got.Target.key() != tc.target || got.Mistake != tc.mistake || got.Message == "") {
				t.Errorf("got %+v, %v", got, told)
			}
		})
	}
}
