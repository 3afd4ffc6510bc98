package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of Flagger's kinds.
const Group = "flagger.app"

// Version is the only version of the group that is served.
const Version = "v1beta1"

// Kinds of the group.
const (
	KindCanary         = "Canary"
	KindMetricTemplate = "MetricTemplate"
	KindAlertProvider  = "AlertProvider"
)

// Keys that Flagger reads or writes on objects.
const (
	// Finalizer holds a Canary with revertOnDeletion until its target is back as it was.
	Finalizer = "finalizer.flagger.app"
	// AnnotationAccessLog on a Canary set to "enabled" makes its virtual nodes log requests to /dev/stdout.
	AnnotationAccessLog = "appmesh.flagger.app/accesslog"
	// AnnotationConfigTracking on a ConfigMap or Secret: a value that starts with "disable" keeps it untracked.
	AnnotationConfigTracking = "flagger.app/config-tracking"
)

// GroupVersion is flagger.app/v1beta1.
var GroupVersion = schema.GroupVersion{Group: Group, Version: Version}

// SchemeBuilder collects the functions that register the types of this package.
var SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme registers the types of this package with a scheme.
var AddToScheme = SchemeBuilder.AddToScheme

// Kind qualifies a kind of this group, without its version.
func Kind(kind string) schema.GroupKind {
	return GroupVersion.WithKind(kind).GroupKind()
}

// Resource qualifies a resource (the plural) of this group, without its version.
func Resource(resource string) schema.GroupResource {
	return GroupVersion.WithResource(resource).GroupResource()
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Canary{}, &CanaryList{},
		&MetricTemplate{}, &MetricTemplateList{},
		&AlertProvider{}, &AlertProviderList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
