package validate

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var scaledObjectRules = []bound[ScaledObject]{
	{"SL003", kedaForeignToReference},
	{"SL004", kedaRedundant},
	{"SL005", kedaNeverZero},
	{"SL048", leftToRollout[ScaledObject]},
}

// KEDA checks a ScaledObject where it has to do with a Canary; old is nil when it is new.
func KEDA(old, new *ScaledObject, world World) []Finding {
	return evaluate(scaledObjectRules, change[ScaledObject]{old: old, new: new, world: world})
}

// kedaForeignToReference is SL003 when the ScaledObject comes second.
func kedaForeignToReference(c change[ScaledObject]) []problem {
	scaled := scaledByKEDA(c.new)
	var out []problem
	for _, canary := range c.world.canariesScaledBy(kindScaledObject, c.new.Namespace, c.new.Name) {
		if target := targetOf(canary); target != scaled {
			out = append(out, problem{scaleTargetPath, Deny, sprintf(
				"this scales %s, but %s names it as the autoscaler of its target %s; set scaleTargetRef to %[3]s, or change the autoscalerRef of %[2]s first",
				full(scaled, target), quoted(kindCanary, canary.Name), full(target, scaled))})
		}
	}
	return out
}

// kedaRedundant is SL004, kedaNeverZero SL005: the same as for the Canary, when the ScaledObject comes last.
func kedaRedundant(c change[ScaledObject]) []problem {
	return forReferrers(c.world, kindScaledObject, c.new, kedaBounds(c.new), func(b bounds) bool { return b.min == 1 },
		field.NewPath("spec", "minReplicaCount"), "%s releases what this scales, and may be left with one pod, which a node takes with it when it goes; set minReplicaCount to 2 or more")
}

func kedaNeverZero(c change[ScaledObject]) []problem {
	return forReferrers(c.world, kindScaledObject, c.new, kedaBounds(c.new), func(b bounds) bool { return b.min == 0 },
		field.NewPath("spec", "minReplicaCount"), "%s releases what this scales, and a canary that waits has zero replicas too, so nobody could tell the one from the other; set minReplicaCount to 1 or more")
}

// forReferrers says something of an autoscaler for each Canary that names it and leaves its minimum to it.
func forReferrers(w World, kind string, scaler metav1.Object, b bounds, wrong func(bounds) bool, path *field.Path, format string) []problem {
	if !wrong(b) {
		return nil
	}
	var out []problem
	for _, canary := range w.canariesScaledBy(kind, scaler.GetNamespace(), scaler.GetName()) {
		if own := canary.Spec.AutoscalerRef.PrimaryScalerReplicas; own != nil && own.MinReplicas != nil {
			continue
		}
		out = append(out, problem{path, Warn, sprintf(format, quoted(kindCanary, canary.Name))})
	}
	return out
}

// primaryOf gives the target whose primary a workload would be, by its name.
func primaryOf(w workload) (workload, bool) {
	name, ok := strings.CutSuffix(w.name, "-primary")
	w.name = name
	return w, ok
}
