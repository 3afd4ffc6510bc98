package mesh

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func TestTrimForeignPod(t *testing.T) {
	yes := true
	owned := func(kind, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: "p", Namespace: "demo", Labels: map[string]string{"pod-template-hash": "6d5f7"},
			OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: name, Controller: &yes}}}
	}
	envoy := corev1.Container{Name: "envoy", Image: "mirror/x", Env: []corev1.EnvVar{{Name: "APPMESH_RESOURCE_ARN", Value: "mesh/m/virtualNode/n"}}}
	gate := []corev1.PodReadinessGate{{ConditionType: appmeshv1beta2.ConditionCloudMapHealthy}}
	condition := func(status corev1.ConditionStatus) corev1.PodStatus {
		return corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: appmeshv1beta2.ConditionCloudMapHealthy, Status: status}}}
	}
	for name, c := range map[string]struct {
		pod  corev1.Pod
		want string
	}{
		"nothing": {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}}, "sidecar false '' '' gate false open false"},
		"of a Deployment": {corev1.Pod{ObjectMeta: owned("ReplicaSet", "web-6d5f7"), Spec: corev1.PodSpec{Containers: []corev1.Container{envoy}}},
			"sidecar true 'mesh/m/virtualNode/n' 'deployment/web' gate false open false"},
		"of a StatefulSet, as an init container": {corev1.Pod{ObjectMeta: owned("StatefulSet", "db"), Spec: corev1.PodSpec{InitContainers: []corev1.Container{envoy}}},
			"sidecar true 'mesh/m/virtualNode/n' 'statefulset/db' gate false open false"},
		"by its image alone": {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "envoy", Image: "public.ecr.aws/appmesh/aws-appmesh-envoy:v1.27.3.0-prod"}}}},
			"sidecar true '' '' gate false open false"},
		"somebody else's Envoy": {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "envoy", Image: "envoyproxy/envoy"}}}}, "sidecar false '' '' gate false open false"},
		"a gate":                {corev1.Pod{Spec: corev1.PodSpec{ReadinessGates: gate}}, "sidecar false '' '' gate true open false"},
		"a gate that is shut":   {corev1.Pod{Spec: corev1.PodSpec{ReadinessGates: gate}, Status: condition("False")}, "sidecar false '' '' gate true open false"},
		"a gate that is open":   {corev1.Pod{Spec: corev1.PodSpec{ReadinessGates: gate}, Status: condition("True")}, "sidecar false '' '' gate true open true"},
	} {
		t.Run(name, func(t *testing.T) {
			trimmed, err := trimForeignPod(&c.pod)
			if err != nil {
				t.Fatal(err)
			}
			p := trimmed.(*foreignPod)
			if got := fmt.Sprintf("sidecar %t '%s' '%s' gate %t open %t", p.sidecar, p.resource, p.workload, p.gated, p.open); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestOldSidecars(t *testing.T) {
	name := "renamed"
	ofMesh := &appmeshv1beta2.MeshReference{Name: "m"}
	s := mesh.Snapshot{
		Meshes: []*appmeshv1beta2.Mesh{{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Spec: appmeshv1beta2.MeshSpec{AWSName: &name}}},
		VirtualNodes: []*appmeshv1beta2.VirtualNode{
			{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "web"}, Spec: appmeshv1beta2.VirtualNodeSpec{MeshRef: ofMesh}},
		},
		VirtualGateways: []*appmeshv1beta2.VirtualGateway{
			{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "gw"}, Spec: appmeshv1beta2.VirtualGatewaySpec{MeshRef: ofMesh, AWSName: &name}},
		},
	}
	pod := func(name, resource, workload string) *foreignPod {
		return &foreignPod{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name}, sidecar: true, resource: resource, workload: workload}
	}
	leaving := pod("z", "mesh/renamed/virtualNode/web_demo", "")
	leaving.ObjectMeta = gone(leaving.ObjectMeta)
	problems := oldSidecars([]*foreignPod{
		pod("b", "mesh/renamed/virtualNode/web_demo", "deployment/web"),
		pod("a", "arn:aws:appmesh:eu-west-1:1:mesh/renamed@2/virtualNode/web_demo", "deployment/web"),
		pod("g", "mesh/renamed/virtualGateway/renamed", ""),
		pod("lost", "mesh/renamed/virtualNode/nobody", "deployment/lost"),
		pod("foreign", "mesh/other/virtualNode/web_demo", ""),
		pod("silent", "", ""),
		leaving,
		{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "plain"}},
	}, s)
	var got []string
	for _, p := range problems {
		got = append(got, p.Object.String()+" "+p.Err.Error())
	}
	want := []string{
		`Mesh//m pods: Invalid value: "lost": 1 pods still have the sidecar of AWS, which keeps its last configuration and cannot start again; run: kubectl -n demo rollout restart deployment/lost`,
		`VirtualGateway/demo/gw pods: Invalid value: "g": 1 pods still have the sidecar of AWS, which keeps its last configuration and cannot start again; run: kubectl -n demo delete pod g, and create it again`,
		`VirtualNode/demo/web pods: Invalid value: "a, b": 2 pods still have the sidecar of AWS, which keeps its last configuration and cannot start again; run: kubectl -n demo rollout restart deployment/web`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
