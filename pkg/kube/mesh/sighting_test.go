package mesh

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

func TestEnvoyOf(t *testing.T) {
	envoy := func(image string) corev1.PodSpec {
		return corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}, {Name: "envoy", Image: image}}}
	}
	native := corev1.PodSpec{InitContainers: []corev1.Container{{Name: "envoy", Image: "sluice-proxy"}}, Containers: []corev1.Container{{Name: "app"}}}
	ours := metav1.ObjectMeta{
		Name: "web-1", Namespace: "demo", Labels: map[string]string{sluice.LabelProxy: sluice.ProxyNode},
		Annotations: map[string]string{sluice.AnnotationVirtualNode: "web"},
	}
	ending := ours
	ending.DeletionTimestamp = &metav1.Time{}
	unbound := ours
	unbound.Annotations = nil
	running := corev1.PodStatus{Phase: corev1.PodRunning}
	tests := map[string]struct {
		pod corev1.Pod
		// want is "none", or "foreign" or the proxy, and the start of the note.
		want, note string
	}{
		"no Envoy":                                  {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}}, "none", ""},
		"a native sidecar of ours":                  {corev1.Pod{ObjectMeta: ours, Spec: native, Status: running}, "VirtualNode/demo/web", "no replica of mesh has a stream from it"},
		"a classic sidecar of ours":                 {corev1.Pod{ObjectMeta: ours, Spec: envoy("sluice-proxy"), Status: running}, "VirtualNode/demo/web", "no replica"},
		"a pod of ours that does not run yet":       {corev1.Pod{ObjectMeta: ours, Spec: native, Status: corev1.PodStatus{Phase: corev1.PodPending}}, "VirtualNode/demo/web", "its pod is Pending"},
		"a pod of ours that is ending":              {corev1.Pod{ObjectMeta: ending, Spec: native, Status: running}, "VirtualNode/demo/web", "its pod is ending"},
		"a pod of ours that has ended":              {corev1.Pod{ObjectMeta: ours, Spec: native, Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}, "none", ""},
		"a pod with our label and no binding":       {corev1.Pod{ObjectMeta: unbound, Spec: native, Status: running}, "//", "pod demo/web-1 must have one of the annotations"},
		"an Envoy of App Mesh":                      {corev1.Pod{Spec: envoy("840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-envoy:v1.29.5.0-prod"), Status: running}, "foreign", "its image is App Mesh's (840364872350"},
		"an Envoy of App Mesh in a pod of ours":     {corev1.Pod{ObjectMeta: ours, Spec: envoy("public.ecr.aws/appmesh/aws-appmesh-envoy:v1"), Status: running}, "foreign", "its image is App Mesh's"},
		"an Envoy of somebody else":                 {corev1.Pod{Spec: envoy("envoyproxy/envoy:v1.40.0"), Status: running}, "foreign", "it has a container envoy that Sluice did not inject (envoyproxy/envoy:v1.40.0)"},
		"an Envoy of somebody else that has failed": {corev1.Pod{Spec: envoy("envoyproxy/envoy"), Status: corev1.PodStatus{Phase: corev1.PodFailed}}, "none", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			found, ok := EnvoyOf(&tc.pod)
			got := found.Proxy.String()
			if found.Foreign {
				got = "foreign"
			}
			if !ok {
				got = "none"
			}
			if got != tc.want || !strings.HasPrefix(found.Note, tc.note) {
				t.Errorf("got %s (%q), want %s (%q)", got, found.Note, tc.want, tc.note)
			}
		})
	}
}
