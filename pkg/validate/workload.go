package validate

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	engine "github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// pods is what the rules look at in whatever runs pods.
type pods struct {
	kind string
	// replicas as the spec has them; nil when it has none, and for a DaemonSet.
	replicas *int32
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
}

// podsOf reads a Deployment or DaemonSet; of anything else it is empty.
func podsOf(object any) pods {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return pods{kindDeployment, o.Spec.Replicas, o.Spec.Selector, o.Spec.Template}
	case *appsv1.DaemonSet:
		return pods{kindDaemonSet, nil, o.Spec.Selector, o.Spec.Template}
	}
	return pods{}
}

// container finds a container by name, among native sidecars too; nil when there is none.
func (p pods) container(name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.template.Spec.Containers, p.template.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// target gives the workload that a Canary releases; false when it is not known, or has no pods of its own.
func (w World) target(namespace, kind, name string) (pods, metav1.Object, bool) {
	if w.Cluster == nil || kind != kindDeployment && kind != kindDaemonSet {
		return pods{}, nil, false
	}
	object := w.Cluster.Object(mesh.ObjectRef{Kind: kind, Namespace: namespace, Name: name})
	if object == nil {
		return pods{}, nil, false
	}
	return podsOf(object), object, true
}

// labelled lists the workloads whose pods have one of these labels.
func (w World) labelled(namespace string, labels map[string]string) []workload {
	var out []workload
	for _, o := range sharing[appsv1.Deployment](w, kindDeployment, labelled, pairs(namespace, labels)) {
		out = append(out, workload{namespace, "apps", kindDeployment, o.Name})
	}
	for _, o := range sharing[appsv1.DaemonSet](w, kindDaemonSet, labelled, pairs(namespace, labels)) {
		out = append(out, workload{namespace, "apps", kindDaemonSet, o.Name})
	}
	return out
}

// configsOf lists the ConfigMaps and Secrets that pods read, as the engine sees them.
func (p pods) configsOf() []engine.ConfigReference {
	template, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&p.template)
	if err != nil {
		return nil // not of what was decoded
	}
	return engine.ConfigReferences(template)
}
