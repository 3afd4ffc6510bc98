package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// TestProbesLaw: what the proxy is told of a probe is what the probe said, probes that the proxy is not told of are
// unchanged, the same pod gives the same bytes, and a patched pod gets nothing more.
func TestProbesLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := corev1.Pod{Spec: corev1.PodSpec{Containers: drawProbed(t, "main"), InitContainers: drawProbed(t, "init")}}
		raw, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		target, config := nodeTarget, testConfig()
		target.Ports = []int32{8080, 8443}
		var told []sluice.Probe
		config.Bootstrap = func(b Bootstrap, probes []sluice.Probe) string {
			told = probes
			return testBootstrap(b, probes)
		}
		ops := opsOf(t, raw, target, config)
		asked := told
		if again := opsOf(t, raw, target, config); !bytes.Equal(marshal(t, ops), marshal(t, again)) {
			t.Fatalf("got\n%s\nthen\n%s", marshal(t, ops), marshal(t, again))
		}
		text := apply(t, raw, ops)
		if more := opsOf(t, text, target, config); len(more) > 0 {
			t.Fatalf("a patched pod is patched again: %s", marshal(t, more))
		}
		var patched corev1.Pod
		if err := json.Unmarshal(text, &patched); err != nil {
			t.Fatal(err)
		}
		checkProbes(t, pod.Spec.Containers, patched.Spec.Containers, asked)
		// The proxy stands before the init containers, and proxyinit behind them.
		checkProbes(t, pod.Spec.InitContainers, patched.Spec.InitContainers[1:len(pod.Spec.InitContainers)+1], asked)
	})
}

func checkProbes(t *rapid.T, before, after []corev1.Container, told []sluice.Probe) {
	t.Helper()
	for i, c := range before {
		for kind, pair := range map[string][2]*corev1.Probe{
			"liveness":  {c.LivenessProbe, after[i].LivenessProbe},
			"readiness": {c.ReadinessProbe, after[i].ReadinessProbe},
			"startup":   {c.StartupProbe, after[i].StartupProbe},
		} {
			want := pair[0].DeepCopy()
			for _, p := range told {
				if p.GRPC && want != nil && want.GRPC != nil && want.GRPC.Port == p.Port {
					want.GRPC.Port = sluice.ProbePort
				}
				if p.Path != "" && p.Path == "/probe/"+c.Name+"/"+kind {
					if want.HTTPGet == nil || want.HTTPGet.Path != p.Target || (want.HTTPGet.Scheme == corev1.URISchemeHTTPS) != p.TLS {
						t.Fatalf("the proxy is told %+v of %+v", p, want)
					}
					want.HTTPGet.Path, want.HTTPGet.Port = p.Path, intstr.FromInt32(sluice.ProbePort)
					if p.TLS {
						want.HTTPGet.Scheme = corev1.URISchemeHTTP
					}
				}
			}
			if diff := cmp.Diff(want, pair[1]); diff != "" {
				t.Fatalf("the %s probe of %s (-want +got):\n%s", kind, c.Name, diff)
			}
		}
	}
}

func drawProbed(t *rapid.T, prefix string) []corev1.Container {
	var list []corev1.Container
	for i := range rapid.IntRange(0, 3).Draw(t, prefix) {
		list = append(list, corev1.Container{
			Name:          fmt.Sprintf("%s%d", prefix, i),
			Ports:         []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "other", ContainerPort: 9000}},
			LivenessProbe: drawProbe(t), ReadinessProbe: drawProbe(t), StartupProbe: drawProbe(t),
		})
	}
	return list
}

func drawProbe(t *rapid.T) *corev1.Probe {
	port := rapid.SampledFrom([]intstr.IntOrString{
		intstr.FromInt32(8080), intstr.FromInt32(8443), intstr.FromInt32(9000), intstr.FromString("http"), intstr.FromString("other"), intstr.FromString("unknown"),
	}).Draw(t, "port")
	switch rapid.IntRange(0, 4).Draw(t, "probe") {
	case 0, 1:
		return &corev1.Probe{PeriodSeconds: 3, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Port:   port,
			Path:   rapid.SampledFrom([]string{"/", "/healthz", "/a b", "/ä", "/$(HOME)"}).Draw(t, "path"),
			Host:   rapid.SampledFrom([]string{"", "", "", "example.com"}).Draw(t, "host"),
			Scheme: rapid.SampledFrom([]corev1.URIScheme{"", corev1.URISchemeHTTP, corev1.URISchemeHTTPS}).Draw(t, "scheme"),
		}}}
	case 2:
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: rapid.SampledFrom([]int32{8080, 8443, 9000}).Draw(t, "gRPC port")}}}
	case 3:
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}}
	}
	return nil
}

func marshal(t *rapid.T, ops []Op) []byte {
	t.Helper()
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
