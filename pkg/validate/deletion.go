package validate

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Deletion checks the deletion of something that a Canary may need. What goes with its namespace, or with the Canary
// that made it, is nobody's to hold: callers do not ask about it.
func Deletion(kind string, object metav1.Object, world World) []Finding {
	var out []Finding
	for _, rule := range []struct {
		id    string
		check func(string, metav1.Object, World) []problem
	}{
		{"SL015", deletedScaler},
		{"SL049", deletedNeeded},
	} {
		if !speaks(rule.id, world.At) {
			continue
		}
		for _, p := range rule.check(kind, object, world) {
			out = append(out, p.finding(rule.id))
		}
	}
	return world.Policy.apply(object, out)
}

var deletionPath = field.NewPath("metadata", "deletionTimestamp")

// deletedScaler is SL015.
func deletedScaler(kind string, object metav1.Object, world World) []problem {
	if kind != kindHPA && kind != kindScaledObject || overridden(object) {
		return nil
	}
	users := world.canariesScaledBy(kind, object.GetNamespace(), object.GetName())
	if len(users) == 0 {
		return nil
	}
	return one(deletionPath, Deny, "%s names it in autoscalerRef, and its primary, which serves users, follows it; remove autoscalerRef first, or annotate this with %s: <why>",
		quoted(kindCanary, users[0].Name), overrideAnnotation)
}

// deletedNeeded is SL049.
func deletedNeeded(kind string, object metav1.Object, world World) []problem {
	if overridden(object) {
		return nil
	}
	namespace, name := object.GetNamespace(), object.GetName()
	if owner := metav1.GetControllerOf(object); owner != nil && owner.Kind == kindCanary {
		if canary := find[canaryv1beta1.Canary](world, kindCanary, namespace, owner.Name); canary != nil && canary.DeletionTimestamp == nil {
			return one(deletionPath, Deny, "%s made it, needs it to serve users, and would make it again; delete the Canary instead, or annotate this with %s: <why>", quoted(kindCanary, owner.Name), overrideAnnotation)
		}
	}
	switch kind {
	case kindDeployment, kindDaemonSet:
		if users := world.canariesOf(workload{namespace, "apps", kind, name}); len(users) > 0 {
			return one(deletionPath, Warn, "%s releases it; users stay on its primary, and no release can start until it is back", quoted(kindCanary, users[0].Name))
		}
	case kindMetricTemplate:
		users := staying[canaryv1beta1.Canary](world, kindCanary, measures, key(namespace, name))
		severity := Warn
		if slices.ContainsFunc(users, running) {
			severity = Deny
		}
		if len(users) > 0 {
			return one(deletionPath, severity, "%s judges its releases by it, and without it no check passes; remove the metric there first", anywhere(users[0]))
		}
	case kindAlertProvider:
		if users := staying[canaryv1beta1.Canary](world, kindCanary, alerts, key(namespace, name)); len(users) > 0 {
			return one(deletionPath, Warn, "%s sends its alerts there, and nobody would hear them; remove the alert there first", anywhere(users[0]))
		}
	}
	return nil
}

// anywhere names a Canary that may be in another namespace.
func anywhere(canary *canaryv1beta1.Canary) string {
	return quoted(kindCanary, canary.Namespace+"/"+canary.Name)
}
