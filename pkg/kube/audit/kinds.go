package audit

import (
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// watched is a kind that the rules of Canaries look at.
type watched struct {
	schema.GroupVersionKind
	// metadata is all that is watched of it.
	metadata bool
	// configuration is watched only where it is tracked, since that takes a right of its own.
	configuration bool
	// optional kinds are those that a cluster may not have.
	optional bool
	// status lists the fields of the status that rules look at.
	status []string
}

var (
	keda       = schema.GroupVersion{Group: "keda.sh", Version: "v1alpha1"}
	autoscaler = schema.GroupVersion{Group: "autoscaling.k8s.io", Version: "v1"}
)

// kinds are all of them.
var kinds = []watched{
	{GroupVersionKind: canaryv1beta1.GroupVersion.WithKind("Canary")},
	{GroupVersionKind: canaryv1beta1.GroupVersion.WithKind("MetricTemplate")},
	{GroupVersionKind: canaryv1beta1.GroupVersion.WithKind("AlertProvider")},

	{GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("Deployment")},
	{GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("DaemonSet")},
	{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Service")},
	{GroupVersionKind: autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), status: []string{"conditions", "currentReplicas"}},
	{GroupVersionKind: keda.WithKind("ScaledObject"), optional: true},
	{GroupVersionKind: autoscaler.WithKind("VerticalPodAutoscaler"), optional: true},
	{GroupVersionKind: policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget")},
	{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("ResourceQuota")},
	{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Namespace"), metadata: true},
	{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("ConfigMap"), metadata: true, configuration: true},
	{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Secret"), metadata: true, configuration: true},

	{GroupVersionKind: appmeshv1beta2.GroupVersion.WithKind("Mesh")},
	{GroupVersionKind: appmeshv1beta2.GroupVersion.WithKind("VirtualNode")},
	{GroupVersionKind: appmeshv1beta2.GroupVersion.WithKind("VirtualService")},
	{GroupVersionKind: appmeshv1beta2.GroupVersion.WithKind("VirtualRouter")},
	{GroupVersionKind: appmeshv1beta2.GroupVersion.WithKind("VirtualGateway")},
	{GroupVersionKind: appmeshv1beta2.GroupVersion.WithKind("GatewayRoute")},
	{GroupVersionKind: appmeshv1beta2.GroupVersion.WithKind("BackendGroup")},
}

// form is an empty object, to name to the cache what is wanted of a kind.
func (k watched) form() client.Object {
	if k.metadata {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(k.GroupVersionKind)
		return meta
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(k.GroupVersionKind)
	return u
}

// same tells whether two versions of an object differ in nothing that a rule looks at. Most changes are of that kind:
// counts in a status, times, managed fields.
func (k watched) same(before, after client.Object) bool {
	if before.GetUID() != after.GetUID() || (before.GetDeletionTimestamp() == nil) != (after.GetDeletionTimestamp() == nil) ||
		!reflect.DeepEqual(before.GetLabels(), after.GetLabels()) ||
		!reflect.DeepEqual(before.GetAnnotations(), after.GetAnnotations()) ||
		!reflect.DeepEqual(before.GetOwnerReferences(), after.GetOwnerReferences()) {
		return false
	}
	old, _ := before.(*unstructured.Unstructured)
	now, _ := after.(*unstructured.Unstructured)
	if old == nil || now == nil {
		return true // of the others the metadata is all there is
	}
	for _, field := range k.status {
		if !reflect.DeepEqual(statusField(old, field), statusField(now, field)) {
			return false
		}
	}
	return old.GetGeneration() != 0 && old.GetGeneration() == now.GetGeneration() || sameContent(old.Object, now.Object)
}

func statusField(u *unstructured.Unstructured, name string) any {
	status, _ := u.Object["status"].(map[string]any)
	return status[name]
}

// sameContent compares all but metadata and status.
func sameContent(before, after map[string]any) bool {
	for _, content := range []map[string]any{before, after} {
		for field := range content {
			if field != "metadata" && field != "status" && !reflect.DeepEqual(before[field], after[field]) {
				return false
			}
		}
	}
	return true
}
