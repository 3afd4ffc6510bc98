package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

func readDaemonSet(t *testing.T, text []byte) *appsv1.DaemonSet {
	t.Helper()
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var d appsv1.DaemonSet
		if err := yaml.UnmarshalStrict([]byte(doc), &d); err == nil && d.Kind == "DaemonSet" {
			return &d
		}
	}
	t.Fatal("no DaemonSet")
	return nil
}

// TestTheAgentHasNothing: it has no token, no capability and no folder of the node but its two; and it is there before
// the pods that it is for.
func TestTheAgentHasNothing(t *testing.T) {
	text, err := os.ReadFile("../../config/cni/base/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := readDaemonSet(t, text)
	pod, c := d.Spec.Template.Spec, d.Spec.Template.Spec.Containers[0]
	if d.Name != sluice.CNIPlugin || d.Spec.Template.Labels["app.kubernetes.io/name"] != sluice.CNIPlugin {
		t.Error("proxyinit and the docs call the DaemonSet by the plugin's name")
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("it has a token that it does not need")
	}
	sc := c.SecurityContext
	if sc.Privileged != nil || *sc.AllowPrivilegeEscalation || !*sc.ReadOnlyRootFilesystem || len(sc.Capabilities.Add) > 0 || !slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("security context: %+v", sc)
	}
	if pod.PriorityClassName != "system-node-critical" || !pod.HostNetwork || len(pod.Tolerations) != 1 || pod.Tolerations[0] != (corev1.Toleration{Operator: corev1.TolerationOpExists}) {
		t.Error("pods would start before it")
	}
	verb, a, err := parse(c.Args)
	if err != nil || verb != verbInstall {
		t.Fatalf("arguments: %s %v", verb, err)
	}
	host := map[string]string{}
	for _, v := range pod.Volumes {
		host[v.Name] = v.HostPath.Path
	}
	mounted := map[string]string{}
	for _, m := range c.VolumeMounts {
		mounted[m.MountPath] = host[m.Name]
	}
	if len(mounted) != 2 || mounted[a.binDir] != "/opt/cni/bin" || mounted[a.confDir] != "/etc/cni/net.d" {
		t.Errorf("mounts: %v", mounted)
	}
	if verb, _, err := parse(c.ReadinessProbe.Exec.Command[1:]); err != nil || verb != verbStatus {
		t.Errorf("probe: %s %v", verb, err)
	}
}

// TestUninstallIsTheOpposite renders the overlays as kubectl does.
func TestUninstallIsTheOpposite(t *testing.T) {
	d := readDaemonSet(t, kustomize(t, "cni/uninstall"))
	c := d.Spec.Template.Spec.Containers[0]
	if verb, a, err := parse(c.Args); err != nil || verb != verbUninstall || !a.absent {
		t.Errorf("arguments: %v %v", c.Args, err)
	}
	if verb, a, err := parse(c.ReadinessProbe.Exec.Command[1:]); err != nil || verb != verbStatus || !a.absent {
		t.Errorf("probe: %v %v", c.ReadinessProbe.Exec.Command, err)
	}
	base := readDaemonSet(t, kustomize(t, "cni/base"))
	if d.Name != base.Name || d.Namespace != base.Namespace {
		t.Error("it does not replace the installer")
	}
}

func kustomize(t *testing.T, dir string) []byte {
	t.Helper()
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		if os.Getenv("SLUICE_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip("KUBEBUILDER_ASSETS names no directory with kubectl: set it to run this test")
	}
	out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", filepath.Join("../../config", dir)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
