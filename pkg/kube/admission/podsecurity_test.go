package admission_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
)

// restrictedPod is one that Pod Security "restricted" takes; %s are annotations.
const restrictedPod = `{apiVersion: v1, kind: Pod, metadata: {name: podinfo, labels: {app: podinfo}, annotations: {%s}}, spec: {
	serviceAccountName: default, securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}},
	containers: [{name: podinfod, image: podinfo, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`

// TestPodSecurity: in a namespace where the API server itself enforces Pod Security, a pod of ours is taken as soon as the
// plugin redirects, and until then refused with a sentence that names it. The namespace's level is in the cache: no
// request waits for the API server because of it.
func TestPodSecurity(t *testing.T) {
	c := start(t)
	var heard warnings
	kube := c.as(t, nil, &heard)
	namespaces := map[string]string{}
	for _, level := range []string{"baseline", "restricted"} {
		namespaces[level] = c.secured(t, kube, level)
	}
	create := func(namespace, annotations string) (*corev1.Pod, error) {
		pod := in(namespace, object(t, fmt.Sprintf(restrictedPod, annotations)))
		err := kube.Create(t.Context(), pod, client.DryRunAll)
		var made corev1.Pod
		must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(pod.Object, &made))
		return &made, err
	}
	for level, namespace := range namespaces {
		_, err := create(namespace, "")
		want := fmt.Sprintf("namespace %s enforces Pod Security %q, which forbids the capability NET_ADMIN of the init container proxyinit: install the CNI plugin sluice-cni", namespace, level)
		if !apierrors.IsForbidden(err) || !strings.HasPrefix(refusal(err), want) || !strings.Contains(refusal(err), "set --cni=needed on the webhook") {
			t.Errorf("%s, without the plugin: %v", level, err)
		}
		// Who insists is refused by the API server, in its words.
		if _, err = create(namespace, "appmesh.k8s.aws/appmeshCNI: disabled"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), fmt.Sprintf(`violates PodSecurity "%s:latest"`, level)) {
			t.Errorf("%s, insisting: %v", level, err)
		}
	}
	heard.take()
	c.withCNI(t, inject.CNINeeded, func() {
		for level, namespace := range namespaces {
			pod, err := create(namespace, "")
			if err != nil {
				t.Errorf("%s, with the plugin: %v", level, err)
				continue
			}
			if pod.Annotations[sluice.AnnotationRedirectedBy] != sluice.CNIPlugin || len(pod.Spec.InitContainers) != 2 {
				t.Errorf("%s: %v %v", level, pod.Annotations, pod.Spec.InitContainers)
			}
		}
		if got := heard.take(); got != "" {
			t.Errorf("warnings: %s", got)
		}
	})
}

// secured makes a meshed namespace that enforces the level, with a virtual node.
func (c *cluster) secured(t *testing.T, kube client.Client, level string) string {
	t.Helper()
	namespace := c.meshed(t, "enabled")
	must(t, kube.Create(t.Context(), in(namespace, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: podinfo}, spec: {podSelector: {matchLabels: {app: podinfo}}}}`))))
	ns := &corev1.Namespace{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: namespace}, ns))
	before := ns.DeepCopy()
	ns.Labels["pod-security.kubernetes.io/enforce"] = level
	must(t, kube.Patch(t.Context(), ns, client.MergeFrom(before)))
	return namespace
}

// withCNI runs the webhook process with another mode, and the usual one again afterwards.
func (c *cluster) withCNI(t *testing.T, mode inject.CNIMode, during func()) {
	t.Helper()
	c.stop()
	c.cni = mode
	c.serve(t)
	c.waitUntilAsked(t)
	during()
	c.stop()
	c.cni = ""
}
