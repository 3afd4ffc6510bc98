package validate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json" // reads names as the API server does: case matters
)

// Kind is a kind of object that the rulebook looks at. Its group is part of what it is, the version is not: rules look at
// fields that all served versions have.
type Kind struct {
	// Name is the kind's name, Group its API group, Resource its plural.
	Name, Group, Resource string
	// Decode reads an object from JSON, as the API server does: a field of another type is an error, an unknown one is not.
	Decode func(raw []byte) (metav1.Object, error)
	// Check applies the rules of this kind; old is nil when the object is new. It is nil where the kind is only looked at.
	Check func(old, new metav1.Object, world World) []Finding
	// Unknown tells of the fields that nothing reads, see UnknownFields; nil where the API server does that by itself, or
	// where the type has only the fields that rules look at.
	Unknown func(old, raw []byte) []string
}

// ofCluster are the kinds whose objects are in no namespace.
var ofCluster = []string{kindMesh, kindNamespace}

// Kinds lists the kinds of the rulebook.
func Kinds() []Kind { return append([]Kind(nil), kinds...) }

// KindOf finds a kind; false when the rulebook does not know it.
func KindOf(wanted schema.GroupKind) (Kind, bool) {
	for _, kind := range kinds {
		if kind.Name == wanted.Kind && kind.Group == wanted.Group {
			return kind, true
		}
	}
	return Kind{}, false
}

var kinds = []Kind{
	ours(kindCanary, "flagger.app", "canaries", Canary),
	ours(kindMetricTemplate, "flagger.app", "metrictemplates", MetricTemplate),
	ours(kindAlertProvider, "flagger.app", "alertproviders", AlertProvider),

	ours("Mesh", "appmesh.k8s.aws", "meshes", Mesh),
	ours("VirtualNode", "appmesh.k8s.aws", "virtualnodes", VirtualNode),
	ours("VirtualService", "appmesh.k8s.aws", "virtualservices", VirtualService),
	ours("VirtualRouter", "appmesh.k8s.aws", "virtualrouters", VirtualRouter),
	ours("VirtualGateway", "appmesh.k8s.aws", "virtualgateways", VirtualGateway),
	ours("GatewayRoute", "appmesh.k8s.aws", "gatewayroutes", GatewayRoute),
	ours("BackendGroup", "appmesh.k8s.aws", "backendgroups", BackendGroup),

	checked(kindHPA, "autoscaling", "horizontalpodautoscalers", HorizontalPodAutoscaler),
	checked(kindScaledObject, "keda.sh", "scaledobjects", KEDA),
	checked(kindDeployment, "apps", "deployments", Deployment),
	checked(kindDaemonSet, "apps", "daemonsets", DaemonSet),
	checked(kindService, "", "services", Service),
	checked(kindJob, "batch", "jobs", Job),
	checked(kindCronJob, "batch", "cronjobs", CronJob),
	checked(kindPDB, "policy", "poddisruptionbudgets", PodDisruptionBudget),

	looked[VerticalPodAutoscaler](kindVPA, "autoscaling.k8s.io", "verticalpodautoscalers"),
	looked[corev1.ResourceQuota](kindQuota, "", "resourcequotas"),
	looked[metav1.PartialObjectMetadata](kindConfigMap, "", "configmaps"),
	looked[metav1.PartialObjectMetadata](kindSecret, "", "secrets"),
	looked[corev1.Namespace](kindNamespace, "", "namespaces"),
}

// checked is a kind with rules.
func checked[T any](name, group, resource string, rules func(old, new *T, world World) []Finding) Kind {
	kind := looked[T](name, group, resource)
	kind.Check = func(old, new metav1.Object, world World) []Finding {
		before, _ := any(old).(*T)
		after, ok := any(new).(*T)
		if !ok {
			return nil
		}
		return rules(before, after, world)
	}
	return kind
}

// ours is a kind with rules whose definition is ours, which keeps unknown fields.
func ours[T any](name, group, resource string, rules func(old, new *T, world World) []Finding) Kind {
	kind := checked(name, group, resource, rules)
	kind.Unknown = UnknownFields[T]
	return kind
}

// looked is a kind without rules of its own, whose objects the rules of others look at.
func looked[T any](name, group, resource string) Kind {
	return Kind{Name: name, Group: group, Resource: resource, Decode: func(raw []byte) (metav1.Object, error) {
		object := new(T)
		if err := json.Unmarshal(raw, object); err != nil {
			return nil, fmt.Errorf("read the %s: %w", name, err)
		}
		return any(object).(metav1.Object), nil
	}}
}
