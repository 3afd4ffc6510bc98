package mesh

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

var webNode = mesh.ObjectRef{Kind: "VirtualNode", Namespace: "demo", Name: "web"}

func TestChanges(t *testing.T) {
	status := func(observed int64, conditions ...appmeshv1beta2.Condition) objectStatus {
		return objectStatus{identity: identity{"u1", 2}, hasStatus: true, observed: observed, conditions: conditions}
	}
	active := appmeshv1beta2.Condition{Type: "VirtualNodeActive", Status: "True", Reason: "Active", Message: "served"}
	cases := map[string]struct {
		have objectStatus
		// gone tells that the object is not in the cluster any more.
		gone bool
		want int
	}{
		"a new object gets its condition":                      {have: status(0), want: 1},
		"nothing to write when it is all there":                {have: status(2, active)},
		"a condition about an old generation is written again": {have: status(1, active), want: 1},
		"another message is written": {
			have: status(2, appmeshv1beta2.Condition{Type: "VirtualNodeActive", Status: "True", Reason: "Active"}), want: 1,
		},
		"conditions of others do not matter": {
			have: status(2, appmeshv1beta2.Condition{Type: "Theirs", Status: "False"}, active),
		},
		"an object that changed since waits for the next report": {
			have: objectStatus{identity: identity{"u1", 3}, hasStatus: true},
		},
		"an object that was replaced since waits too": {have: objectStatus{identity: identity{"u2", 2}, hasStatus: true}},
		"a kind without status":                       {have: objectStatus{identity: identity{"u1", 2}}},
		"an object that is gone":                      {gone: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := &report{
				conditions: []mesh.Condition{{Object: webNode, Type: "VirtualNodeActive", Active: true, Reason: "Active", Message: "served"}},
				built:      map[mesh.ObjectRef]identity{webNode: {"u1", 2}},
			}
			got := r.changes(func(mesh.ObjectRef) (objectStatus, bool) { return c.have, !c.gone })
			if len(got) != c.want {
				t.Errorf("got %d changes, want %d: %v", len(got), c.want, got)
			}
		})
	}
}

func TestPatchLeavesWhatIsNotOurs(t *testing.T) {
	since := metav1.NewTime(noon.Add(-time.Hour))
	c := change{
		ObjectRef: webNode,
		have: objectStatus{conditions: []appmeshv1beta2.Condition{
			{Type: "Theirs", Status: "True", LastTransitionTime: &since},
			{Type: "VirtualNodeActive", Status: "False", LastTransitionTime: &since},
		}},
		want: condition{kind: "VirtualNodeActive", status: "False", reason: "Invalid", message: "no hostname", generation: 4},
	}
	check := func(what, want string) {
		t.Helper()
		patch, err := c.patch(noon)
		if err != nil {
			t.Fatal(err)
		}
		var got, wanted any
		_ = json.Unmarshal(patch, &got)
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("same status keeps the time of its transition", `{"status": {"observedGeneration": 4, "conditions": [
		{"type": "Theirs", "status": "True", "lastTransitionTime": "2026-10-01T11:00:00Z"},
		{"type": "VirtualNodeActive", "status": "False", "reason": "Invalid", "message": "no hostname", "lastTransitionTime": "2026-10-01T11:00:00Z"}]}}`)
	c.want.status = "True"
	check("another status is a transition", `{"status": {"observedGeneration": 4, "conditions": [
		{"type": "Theirs", "status": "True", "lastTransitionTime": "2026-10-01T11:00:00Z"},
		{"type": "VirtualNodeActive", "status": "True", "reason": "Invalid", "message": "no hostname", "lastTransitionTime": "2026-10-01T12:00:00Z"}]}}`)
}

func TestNewProblem(t *testing.T) {
	told := []appmeshv1beta2.Condition{{Type: "VirtualNodeActive", Status: "False", Reason: "Invalid", Message: "no hostname"}}
	want := condition{kind: "VirtualNodeActive", status: "False", reason: "Invalid", message: "no hostname", generation: 2}
	cases := map[string]struct {
		change change
		want   bool
	}{
		"a problem nobody knows yet":                 {change{want: want, lasting: true}, true},
		"a problem that the status tells already":    {change{want: want, lasting: true, have: objectStatus{conditions: told}}, false},
		"something that another object will resolve": {change{want: want}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.change.newProblem(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestProxyNamespaces(t *testing.T) {
	namespace := func(name string, labels map[string]string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
	leaving := namespace("leaving", map[string]string{"mesh": "demo"})
	leaving.DeletionTimestamp = &metav1.Time{Time: noon}
	s := mesh.Snapshot{
		Namespaces: []*corev1.Namespace{
			namespace("marked", map[string]string{"appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"}),
			namespace("selected", map[string]string{"mesh": "demo"}),
			namespace("with-a-node", nil), namespace("with-a-gateway", nil), namespace("plain", nil), leaving,
		},
		Meshes: []*appmeshv1beta2.Mesh{
			{Spec: appmeshv1beta2.MeshSpec{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"mesh": "demo"}}}},
			{},
			{Spec: appmeshv1beta2.MeshSpec{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "x", Operator: "Is"}}}}},
		},
		VirtualNodes:    []*appmeshv1beta2.VirtualNode{{ObjectMeta: metav1.ObjectMeta{Namespace: "with-a-node"}}},
		VirtualGateways: []*appmeshv1beta2.VirtualGateway{{ObjectMeta: metav1.ObjectMeta{Namespace: "with-a-gateway"}}},
	}
	if got, want := ProxyNamespaces(s), []string{"marked", "selected", "with-a-gateway", "with-a-node"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDecode(t *testing.T) {
	object := func(spec, status map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": "VirtualNode",
			"metadata": map[string]any{"namespace": "demo", "name": "web", "uid": "u1", "generation": int64(3)},
			"spec":     spec, "status": status,
		}}
	}
	good, err := decode(object(map[string]any{"awsName": "web_demo", "unknown": map[string]any{}}, nil))
	if node, ok := good.(*appmeshv1beta2.VirtualNode); err != nil || !ok || *node.Spec.AWSName != "web_demo" {
		t.Errorf("a good object: %v, %v", good, err)
	}
	status := map[string]any{"observedGeneration": int64(2), "conditions": []any{map[string]any{"type": "VirtualNodeActive", "status": "True"}}}
	bad, err := decode(object(map[string]any{"listeners": "none"}, status))
	broken, ok := bad.(*undecodable)
	if err != nil || !ok {
		t.Fatalf("a bad object: %v, %v", bad, err)
	}
	r := newReport(build{broken: []*undecodable{broken}}, nil)
	changes := r.changes(func(mesh.ObjectRef) (objectStatus, bool) { return statusOf(broken) })
	if len(changes) != 1 || changes[0].ObjectRef != webNode || changes[0].want.reason != reasonUndecodable || !changes[0].newProblem() {
		t.Errorf("a bad object is reported as %+v", changes)
	}
	if _, err := decode(errors.New("not an object")); err != nil {
		t.Errorf("a transform must never fail: %v", err)
	}
}
