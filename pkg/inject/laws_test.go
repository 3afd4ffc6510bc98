package inject

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// checkAutoscaling: what is added to a pod keeps neither of the autoscalers from their work. Without requests in every
// container there is no utilization of the pod, and a volume on the node's disk keeps the pod where it is.
func checkAutoscaling(t *testing.T, before, after []byte, config Config) {
	t.Helper()
	old, pod := podOf(t, before), podOf(t, after)
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		theirs := slices.ContainsFunc(slices.Concat(old.Spec.InitContainers, old.Spec.Containers), func(o corev1.Container) bool { return o.Name == c.Name })
		if theirs || config.CPURequest == "" || config.MemoryRequest == "" {
			continue
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Errorf("container %s requests %v", c.Name, c.Resources.Requests)
		}
	}
	safe := strings.Split(pod.Annotations[annotationSafeVolumes], ",")
	for _, v := range pod.Spec.Volumes {
		if slices.ContainsFunc(old.Spec.Volumes, func(o corev1.Volume) bool { return o.Name == v.Name }) {
			continue
		}
		local := v.HostPath != nil || v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory
		if local && !slices.Contains(safe, v.Name) {
			t.Errorf("volume %s is on the node's disk", v.Name)
		}
	}
}

func podOf(t failer, raw []byte) corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// injected is the pod as a member of the node target.
func injected(t *testing.T, raw []byte, config Config) []byte {
	t.Helper()
	return apply(t, raw, opsOf(t, raw, nodeTarget, config))
}

// TestResourceShapes: whatever is set or absent, of the installation, the annotations and the containers, no request is
// above its limit, and nothing fails.
func TestResourceShapes(t *testing.T) {
	annotation := func(key, value string) string {
		if value == "" {
			return ""
		}
		return fmt.Sprintf(`,%q:%q`, key, value)
	}
	for _, installed := range []struct{ request, limit string }{{"", ""}, {"10m", ""}, {"", "5m"}, {"10m", "5m"}, {"10m", "1"}} {
		for _, asked := range []struct{ request, limit string }{{"", ""}, {"1m", ""}, {"", "2m"}, {"", "2"}, {"1m", "2m"}} {
			for _, resources := range []string{`null`, `{}`, `{"limits":{"memory":"1Gi"}}`, `{"requests":{"cpu":"1"}}`} {
				for _, mode := range []string{sidecarModeNative, sluice.SidecarModeContainer} {
					config := testConfig()
					config.CPURequest, config.CPULimit = installed.request, installed.limit
					raw := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q%s%s}},"spec":{"initContainers":[{"name":"i","resources":%s}],"containers":[{"name":"c","resources":%s}]}}`,
						sluice.AnnotationSidecarMode, mode, annotation(appmeshv1beta2.AnnotationCPURequest, asked.request), annotation(appmeshv1beta2.AnnotationCPULimit, asked.limit), resources, resources)
					pod := podOf(t, injected(t, []byte(raw), config))
					all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
					if len(all) != 4 {
						t.Fatalf("%+v %+v: %d containers", installed, asked, len(all))
					}
					for _, c := range all {
						request, limit := c.Resources.Requests.Cpu(), c.Resources.Limits.Cpu()
						if !limit.IsZero() && request.Cmp(*limit) > 0 {
							t.Errorf("installed %+v, asked for %+v, %s: container %s requests %s of %s", installed, asked, mode, c.Name, request, limit)
						}
						if want := asked.request; want != "" && c.Name == containerEnvoy && request.Cmp(resource.MustParse(want)) != 0 {
							t.Errorf("installed %+v, asked for %+v: %s requests %s", installed, asked, c.Name, request)
						}
					}
				}
			}
		}
	}
}

// TestPatchDoesNotGrowWithThePod: 1,500 variables cost an answer of the same bytes as one.
func TestPatchDoesNotGrowWithThePod(t *testing.T) {
	small, large := marshalOps(t, podWith(1, 1), "demo", nodeTarget, testConfig()), marshalOps(t, podWith(1, 1500), "demo", nodeTarget, testConfig())
	if string(small) != string(large) {
		t.Errorf("%d bytes, and %d", len(small), len(large))
	}
}

// TestOtherInjectors: one that puts its containers first and last may come before us or after us, and ours may be asked
// again: the pod has everything once, the application's containers keep their order, and ours are not touched.
func TestOtherInjectors(t *testing.T) {
	other := []Op{
		{Op: "add", Path: "/spec/initContainers/0", Value: map[string]any{"name": "secrets-init", "image": "secrets"}},
		{Op: "add", Path: "/spec/containers/0", Value: map[string]any{"name": "secrets", "image": "secrets"}},
		{Op: "add", Path: "/spec/containers/-", Value: map[string]any{"name": "logs", "image": "logs"}},
	}
	for _, mode := range []string{sidecarModeNative, sluice.SidecarModeContainer} {
		raw := []byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}},"spec":{"initContainers":[{"name":"migrate"}],"containers":[
			{"name":"web","ports":[{"containerPort":9898}],"livenessProbe":{"httpGet":{"port":9898}}},{"name":"worker","readinessProbe":{"grpc":{"port":9898}}}]}}`, sluice.AnnotationSidecarMode, mode))
		first, last := injected(t, apply(t, raw, other), testConfig()), apply(t, injected(t, raw, testConfig()), other)
		alone := podOf(t, injected(t, raw, testConfig()))
		for when, patched := range map[string][]byte{"after the other": first, "before the other": last} {
			checkIdempotent(t, patched, "demo", nodeTarget, testConfig())
			pod := podOf(t, patched)
			for list, want := range map[string][]corev1.Container{"init": alone.Spec.InitContainers, "main": alone.Spec.Containers} {
				got := map[string][]corev1.Container{"init": pod.Spec.InitContainers, "main": pod.Spec.Containers}[list]
				if len(got) != len(want)+map[string]int{"init": 1, "main": 2}[list] {
					t.Errorf("%s, %s: %d %s containers", mode, when, len(got), list)
				}
				got = slices.DeleteFunc(got, func(c corev1.Container) bool { return strings.HasPrefix(c.Name, "secrets") || c.Name == "logs" })
				if a, b := text(t, got), text(t, want); a != b {
					t.Errorf("%s, %s:\n%s\nwithout the other:\n%s", mode, when, a, b)
				}
			}
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestTwoVersionsSideBySide: while the webhook is updated, either version may see a pod that the other has just injected,
// since the API server may ask twice. A sidecar stays as it is; a gateway is all of the version that spoke last.
func TestTwoVersionsSideBySide(t *testing.T) {
	old, next := testConfig(), testConfig()
	next.ProxyImage, next.InitImage, next.ImagePullSecret, next.SDSSocket = "sluice-proxy:next", "sluice-init:next", "registry", "/run/next.sock"
	next.CPURequest, next.MemoryLimit, next.NodeConcurrency, next.GatewayConcurrency = "20m", "64Mi", 4, 4
	next.ClassicSidecars, next.KeepProbes, next.SkipDrain = true, true, true
	next.Bootstrap = func(Bootstrap, []sluice.Probe) string { return "next" }
	sidecar := []byte(`{"metadata":{},"spec":{"containers":[{"name":"web","livenessProbe":{"httpGet":{"port":9898}}}]}}`)
	gateway := []byte(`{"metadata":{},"spec":{"containers":[{"name":"envoy","image":"injector-override"}]}}`)
	for when, c := range map[string][2]Config{"old, then new": {old, next}, "new, then old": {next, old}} {
		if ops := opsOf(t, apply(t, sidecar, opsOf(t, sidecar, nodeTarget, c[0])), nodeTarget, c[1]); len(ops) > 0 {
			t.Errorf("sidecar, %s: %s", when, text(t, ops))
		}
		both := apply(t, gateway, opsOf(t, gateway, gatewayTarget, c[0]))
		both = apply(t, both, opsOf(t, both, gatewayTarget, c[1]))
		got, want := podOf(t, both).Spec.Containers[0], podOf(t, apply(t, gateway, opsOf(t, gateway, gatewayTarget, c[1]))).Spec.Containers[0]
		if got.Image != want.Image || text(t, got.Args) != text(t, want.Args) {
			t.Errorf("gateway, %s: image %s, arguments %v", when, got.Image, got.Args)
		}
		if ops := opsOf(t, both, gatewayTarget, c[1]); len(ops) > 0 {
			t.Errorf("gateway, %s, once more: %s", when, text(t, ops))
		}
	}
}

// opsOf is the patch of a pod, for tests and for laws.
func opsOf(t rapid.TB, raw []byte, target Target, config Config) []Op {
	t.Helper()
	pod, err := Decode(raw, "demo")
	if err != nil {
		t.Fatal(err)
	}
	result, err := Patch(pod, target, config)
	if err != nil {
		t.Fatal(err)
	}
	return result.Ops
}
