package canary

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// The kinds that the shell reads or writes. All of them are handled as unstructured objects: one that does not decode
// must not blind us for the others, and what a newer API server adds to a pod template must survive promotion.
var (
	kindCanary             = canaryv1beta1.GroupVersion.WithKind(canaryv1beta1.KindCanary)
	kindMetricTemplate     = canaryv1beta1.GroupVersion.WithKind(canaryv1beta1.KindMetricTemplate)
	kindAlertProvider      = canaryv1beta1.GroupVersion.WithKind(canaryv1beta1.KindAlertProvider)
	kindDeployment         = appsv1.SchemeGroupVersion.WithKind("Deployment")
	kindDaemonSet          = appsv1.SchemeGroupVersion.WithKind("DaemonSet")
	kindControllerRevision = appsv1.SchemeGroupVersion.WithKind("ControllerRevision")
	kindHPA                = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")
	kindService            = corev1.SchemeGroupVersion.WithKind("Service")
	kindConfigMap          = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	kindSecret             = corev1.SchemeGroupVersion.WithKind("Secret")
	kindVirtualNode        = appmeshv1beta2.GroupVersion.WithKind("VirtualNode")
	kindVirtualRouter      = appmeshv1beta2.GroupVersion.WithKind("VirtualRouter")
	kindVirtualService     = appmeshv1beta2.GroupVersion.WithKind("VirtualService")
)

// ownedSpec lists the fields of each kind's spec that are ours. A field of the list that we do not want is removed, a
// field outside the list is left alone: the mesh process and users write there (meshRef, awsName, backendDefaults, ...).
// Those of a primary and of its autoscaler are with canary.Target and canary.Scaler.
var ownedSpec = map[schema.GroupKind][]string{
	kindVirtualNode.GroupKind():    {"podSelector", "listeners", "serviceDiscovery", "backends", "logging"},
	kindVirtualRouter.GroupKind():  {"listeners", "routes"},
	kindVirtualService.GroupKind(): {"provider"},
	kindService.GroupKind():        {"selector", "ports"},
}
