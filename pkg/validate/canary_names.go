package validate

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
)

// canaryServicesShared is SL019.
func canaryServicesShared(c change[canaryv1beta1.Canary]) []problem {
	for _, name := range servicesOf(c.new) {
		for _, other := range related[canaryv1beta1.Canary](c.world, kindCanary, reaches, key(c.new.Namespace, name)) {
			if other.Name == c.new.Name {
				continue
			}
			return one(field.NewPath("spec", "service", "name"), Deny,
				"%s makes the Service %q too, and each would take the other's callers; set service.name to a name that no other Canary uses", quoted(kindCanary, other.Name), name)
		}
	}
	return nil
}

// canaryNamesFree is SL020: what we would write is not somebody else's.
func canaryNamesFree(c change[canaryv1beta1.Canary]) []problem {
	var out []problem
	taken := func(path *field.Path, kind, name, setting string) {
		object := c.world.object(kind, c.new.Namespace, name)
		if object == nil || ownedBy(object, c.new.Name) || leftBehind(object, c.new) {
			return
		}
		out = append(out, problem{path, Deny, sprintf(
			"%s exists and is not of this Canary, which would have to overwrite it; delete it, or set %s so that another name follows", quoted(kind, name), setting)})
	}
	for _, suffix := range []string{"-primary", "-canary"} {
		taken(field.NewPath("spec", "service", "name"), kindService, engine.Apex(c.new)+suffix, "service.name")
	}
	ref := c.new.Spec.TargetRef
	if ref.Kind == kindDeployment || ref.Kind == kindDaemonSet {
		taken(field.NewPath("spec", "targetRef", "name"), ref.Kind, ref.Name+"-primary", "targetRef.name")
	}
	return out
}

// ownedBy tells whether an object was made by a Canary, ours or Flagger's: it is the object's controller.
func ownedBy(object metav1.Object, canary string) bool {
	owner := metav1.GetControllerOf(object)
	return owner != nil && owner.Kind == kindCanary && owner.Name == canary
}

// leftBehind tells whether an object is what a Canary of the same target left when it was deleted: nobody controls it any more,
// and it goes on serving as long as the target is there. A Canary that comes back takes it over.
func leftBehind(object metav1.Object, c *canaryv1beta1.Canary) bool {
	return metav1.GetControllerOf(object) == nil && slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return owner.Kind == c.Spec.TargetRef.Kind && owner.Name == c.Spec.TargetRef.Name
	})
}

// canaryNamesFit is SL021.
func canaryNamesFit(c change[canaryv1beta1.Canary]) []problem {
	longest := engine.Apex(c.new) + "-primary"
	if len(longest) > validation.DNS1035LabelMaxLength {
		path := field.NewPath("spec", "service", "name")
		if c.new.Spec.Service.Name == "" {
			path = field.NewPath("spec", "targetRef", "name")
		}
		return one(path, Deny, "the Service %q that follows from it has %d characters, and no name may have more than %d; set service.name to at most %d characters",
			longest, len(longest), validation.DNS1035LabelMaxLength, validation.DNS1035LabelMaxLength-len("-primary"))
	}
	return nil
}

// lives tells whether a Canary has been looked at: what it made bears its names.
func lives(canary *canaryv1beta1.Canary) bool { return canary != nil && canary.Status.Phase != "" }

// canaryTargetKept is SL024.
func canaryTargetKept(c change[canaryv1beta1.Canary]) []problem {
	if !lives(c.old) || targetOf(c.old) == targetOf(c.new) {
		return nil
	}
	return one(field.NewPath("spec", "targetRef"), Deny,
		"this Canary already releases %s, whose primary serves users, and nobody would look after it any more; make a new Canary for %s, and delete this one",
		targetOf(c.old), targetOf(c.new))
}

// canaryServiceKept is SL025.
func canaryServiceKept(c change[canaryv1beta1.Canary]) []problem {
	if !lives(c.old) || engine.Apex(c.old) == engine.Apex(c.new) {
		return nil
	}
	return one(field.NewPath("spec", "service", "name"), Deny,
		"callers reach this release as %q, and that Service would be left without anybody who looks after it; keep the name, or make a new Canary called otherwise and delete this one", engine.Apex(c.old))
}
