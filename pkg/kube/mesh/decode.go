package mesh

import (
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// undecodable is an object that does not fit its type: an old or foreign writer put it there past the CRD's schema. It
// is left out of the mesh alone, and its condition says why.
type undecodable struct {
	metav1.ObjectMeta
	kind string
	err  error
	// conditions and observed are the status, as far as that decodes.
	conditions []appmeshv1beta2.Condition
	observed   *int64
}

// newObject makes an empty object of a kind.
var newObject = map[string]func() metav1.Object{
	appmeshv1beta2.KindMesh:           func() metav1.Object { return &appmeshv1beta2.Mesh{} },
	appmeshv1beta2.KindVirtualNode:    func() metav1.Object { return &appmeshv1beta2.VirtualNode{} },
	appmeshv1beta2.KindVirtualService: func() metav1.Object { return &appmeshv1beta2.VirtualService{} },
	appmeshv1beta2.KindVirtualRouter:  func() metav1.Object { return &appmeshv1beta2.VirtualRouter{} },
	appmeshv1beta2.KindVirtualGateway: func() metav1.Object { return &appmeshv1beta2.VirtualGateway{} },
	appmeshv1beta2.KindGatewayRoute:   func() metav1.Object { return &appmeshv1beta2.GatewayRoute{} },
	appmeshv1beta2.KindBackendGroup:   func() metav1.Object { return &appmeshv1beta2.BackendGroup{} },
}

// decode turns what the API server sent into the type of its kind, once per change. It never fails: a failing transform
// would block the watch, and with it everybody else's objects.
func decode(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		// A tombstone of the informer.
		return obj, nil
	}
	create, known := newObject[u.GetKind()]
	if !known {
		return obj, nil
	}
	u.SetManagedFields(nil)
	out := create()
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out)
	if err == nil {
		return out, nil
	}
	broken := &undecodable{kind: u.GetKind(), err: misfit(u, create(), err), ObjectMeta: metav1.ObjectMeta{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), Generation: u.GetGeneration(),
		DeletionTimestamp: u.GetDeletionTimestamp(), Finalizers: u.GetFinalizers(),
	}}
	if status, ok := u.Object["status"].(map[string]any); ok {
		// All kinds name these two fields alike. What does not decode here either is overwritten.
		var known appmeshv1beta2.MeshStatus
		if runtime.DefaultUnstructuredConverter.FromUnstructured(status, &known) == nil {
			broken.conditions, broken.observed = known.Conditions, known.ObservedGeneration
		}
	}
	return broken, nil
}

// misfit says where an object does not fit its type, which the converter's own error leaves out.
func misfit(u *unstructured.Unstructured, into any, err error) error {
	text, marshalErr := json.Marshal(u.Object)
	if marshalErr != nil {
		return fmt.Errorf("decode: %w", err)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(json.Unmarshal(text, into), &mismatch) {
		return fmt.Errorf("decode: %s: the type does not fit: %s cannot be %s", mismatch.Field, mismatch.Value, mismatch.Type)
	}
	return fmt.Errorf("decode: %w", err)
}

var _ cache.TransformFunc = decode
