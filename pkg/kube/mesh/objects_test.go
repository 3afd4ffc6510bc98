package mesh

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestSnapshotOf: each object counts for itself, and what cannot be used is told apart.
func TestSnapshotOf(t *testing.T) {
	tests := map[string]struct {
		object string
		// nodes and services are how many the snapshot has then, broken what could not be decoded.
		nodes, services int
		broken          []string
	}{
		"a virtual node": {`{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a, namespace: demo}}`, 1, 0, nil},
		"a virtual node that is none": {
			`{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualNode, metadata: {name: a, namespace: demo}, spec: {listeners: all}}`, 0, 0,
			[]string{"VirtualNode/demo/a: decode: spec.listeners: the type does not fit: string cannot be []v1beta2.Listener"},
		},
		"a virtual node of another version": {
			`{apiVersion: appmesh.k8s.aws/v1alpha1, kind: VirtualNode, metadata: {name: a, namespace: demo}}`, 0, 0,
			[]string{"VirtualNode/demo/a: apiVersion appmesh.k8s.aws/v1alpha1 of this kind is not served; convert the object to the version that is"},
		},
		"a Service":                   {`{apiVersion: v1, kind: Service, metadata: {name: a, namespace: demo}}`, 0, 1, nil},
		"a Service of another group":  {`{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a, namespace: demo}}`, 0, 0, nil},
		"a kind that does not matter": {`{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: demo}}`, 0, 0, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var u unstructured.Unstructured
			if err := yaml.Unmarshal([]byte(tc.object), &u.Object); err != nil {
				t.Fatal(err)
			}
			s, broken := SnapshotOf([]*unstructured.Unstructured{&u})
			var got []string
			for _, b := range broken {
				got = append(got, b.Object.String()+": "+b.Err.Error())
			}
			if diff := cmp.Diff(tc.broken, got); diff != "" || len(s.VirtualNodes) != tc.nodes || len(s.Services) != tc.services {
				t.Errorf("%d virtual nodes, %d services; broken (-want +got):\n%s", len(s.VirtualNodes), len(s.Services), diff)
			}
		})
	}
}

// TestListReadsEveryPage: more objects than the API server gives in one answer.
func TestListReadsEveryPage(t *testing.T) {
	config := realkube.Start(t)
	namespace := realkube.Namespace(t, config, nil)
	client := kubernetes.NewForConfigOrDie(config)
	const count = 510 // a page has 500
	for i := range count {
		svc := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s%d", i)},
			Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 80}}},
		}
		if _, err := client.CoreV1().Services(namespace).Create(context.Background(), svc, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := List(context.Background(), dynamic.NewForConfigOrDie(config), func(kind schema.GroupKind) bool { return kind.Kind == "Service" })
	if err != nil {
		t.Fatal(err)
	}
	s, _ := SnapshotOf(objects)
	found := map[string]bool{}
	for _, svc := range s.Services {
		if svc.Namespace == namespace {
			found[svc.Name] = true
		}
	}
	if len(found) != count {
		t.Errorf("found %d of %d Services", len(found), count)
	}
}
