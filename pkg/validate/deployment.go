package validate

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

var deploymentRules = append([]bound[appsv1.Deployment]{
	{"SL013", deploymentReplicasScaled},
	{"SL014", deploymentStaysIdle},
}, targetRules[appsv1.Deployment]()...)

var daemonSetRules = targetRules[appsv1.DaemonSet]()

// targetRules are the rules of what a Canary releases.
func targetRules[T any]() []bound[T] {
	return []bound[T]{
		{"SL026", ofTarget[T](targetSelected)},
		{"SL027", ofTarget[T](targetApart)},
		{"SL028", ofTarget[T](targetFree)},
		{"SL037", ofTarget[T](targetTime)},
		{"SL048", leftToRollout[T]},
		{"SL052", ofTarget[T](targetInjected)},
		{"SL057", ofTarget[T](targetRolls)},
		{"SL058", ofTarget[T](targetMoves)},
		{"SL059", ofTarget[T](targetProbed)},
		{"SL064", annotationsInTemplate[T]},
		{"SL065", ofTarget[T](targetConfigs)},
		{"SL066", ofTarget[T](targetVolumes)},
	}
}

// Deployment checks a Deployment where it has to do with a Canary or the mesh; old is nil when it is new.
func Deployment(old, new *appsv1.Deployment, world World) []Finding {
	return evaluate(deploymentRules, change[appsv1.Deployment]{old: old, new: new, world: world})
}

// DaemonSet checks a DaemonSet where it has to do with a Canary or the mesh; old is nil when it is new.
func DaemonSet(old, new *appsv1.DaemonSet, world World) []Finding {
	return evaluate(daemonSetRules, change[appsv1.DaemonSet]{old: old, new: new, world: world})
}

// deploymentReplicasScaled is SL013. The API server fills in a number where there is none, so in a request only one
// that it would not have chosen is somebody's.
func deploymentReplicasScaled(c change[appsv1.Deployment]) []problem {
	n := c.new.Spec.Replicas
	if n == nil || c.world.At != Lint && (*n == 1 || c.old != nil && c.old.Spec.Replicas != nil && *c.old.Spec.Replicas == *n) {
		return nil
	}
	target := workload{c.new.Namespace, "apps", kindDeployment, c.new.Name}
	if len(c.world.canariesOf(target)) == 0 {
		return nil
	}
	hpas := c.world.hpasOf(target)
	if len(hpas) == 0 || *n == 0 {
		return nil
	}
	return one(field.NewPath("spec", "replicas"), Warn, "%s decides how many pods there are, and each apply of replicas %d sets them back; remove replicas", quoted(kindHPA, hpas[0].Name), *n)
}

// deploymentStaysIdle is SL014: somebody wakes a target that waits for its next release.
func deploymentStaysIdle(c change[appsv1.Deployment]) []problem {
	n := c.new.Spec.Replicas
	if c.old == nil || n == nil || *n == 0 || c.old.Spec.Replicas == nil || *c.old.Spec.Replicas != 0 {
		return nil
	}
	for _, canary := range c.world.canariesOf(workload{c.new.Namespace, "apps", kindDeployment, c.new.Name}) {
		switch canary.Status.Phase {
		case canaryv1beta1.CanaryPhaseInitialized, canaryv1beta1.CanaryPhaseSucceeded, canaryv1beta1.CanaryPhaseFailed:
			return one(field.NewPath("spec", "replicas"), Warn, "users are served by the primary, and %s keeps this at zero replicas until a new revision comes, so %d goes back to 0; remove replicas", quoted(kindCanary, canary.Name), *n)
		}
	}
	return nil
}

// meshAnnotations begin the annotations that the injector reads, on pods.
const meshAnnotations = "appmesh.k8s.aws/"

// annotationsInTemplate is SL064.
func annotationsInTemplate[T any](c change[T]) []problem {
	object, template := any(c.new).(metav1.Object), podsOf(c.new).template
	var found []string
	for name := range object.GetAnnotations() {
		if _, there := template.Annotations[name]; strings.HasPrefix(name, meshAnnotations) && !there {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	var out []problem
	for _, name := range found {
		out = append(out, problem{field.NewPath("metadata", "annotations").Key(name), Warn,
			"the injector reads the annotations of pods, so this one does nothing here; move it to spec.template.metadata.annotations"})
	}
	return out
}
