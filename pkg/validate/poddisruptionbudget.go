package validate

import (
	"maps"
	"slices"
	"strings"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

var pdbRules = []bound[policyv1.PodDisruptionBudget]{
	{"SL056", budgetProtects},
}

// PodDisruptionBudget checks a budget where it is for pods that a Canary releases; old is nil when it is new.
func PodDisruptionBudget(old, new *policyv1.PodDisruptionBudget, world World) []Finding {
	return evaluate(pdbRules, change[policyv1.PodDisruptionBudget]{old: old, new: new, world: world})
}

// budgetProtects is SL056 when the budget comes last.
func budgetProtects(c change[policyv1.PodDisruptionBudget]) []problem {
	if c.new.Spec.Selector == nil {
		return nil
	}
	var out []problem
	for _, target := range c.world.labelled(c.new.Namespace, unprimed(c.new.Spec.Selector.MatchLabels)) {
		for _, canary := range c.world.canariesOf(target) {
			out = append(out, budgetOf(c.world, c.new, canary, field.NewPath("spec", "selector"), field.NewPath("spec"))...)
		}
	}
	return out
}

// canaryBudgets is SL056 when the Canary comes last.
func canaryBudgets(c change[canaryv1beta1.Canary]) []problem {
	ref, path := c.new.Spec.TargetRef, field.NewPath("spec", "targetRef")
	target, _, known := c.world.target(c.new.Namespace, ref.Kind, ref.Name)
	if !known {
		return nil
	}
	ends := slices.Concat(pairs(c.new.Namespace, target.template.Labels), pairs(c.new.Namespace, c.world.primaryLabels(target)))
	var out []problem
	for _, budget := range sharing[policyv1.PodDisruptionBudget](c.world, kindPDB, selecting, ends) {
		out = append(out, budgetOf(c.world, budget, c.new, path, path)...)
	}
	return out
}

// unprimed are labels as they are, and as the target has what is said of its primary.
func unprimed(selected map[string]string) map[string]string {
	out := maps.Clone(selected)
	for name, value := range selected {
		out[name] = strings.TrimSuffix(value, "-primary")
	}
	return out
}

// budgetOf judges a budget against the pods of a Canary. The target has none between releases: who protects only
// those protects nobody.
func budgetOf(w World, budget *policyv1.PodDisruptionBudget, canary *canaryv1beta1.Canary, selectorPath, boundsPath *field.Path) []problem {
	ref := canary.Spec.TargetRef
	target, _, known := w.target(canary.Namespace, ref.Kind, ref.Name)
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if !known || err != nil {
		return nil
	}
	primary := w.primaryLabels(target)
	ofTarget, ofPrimary := selector.Matches(labels.Set(target.template.Labels)), selector.Matches(primary)
	switch {
	case ofTarget && !ofPrimary:
		label := w.versionLabel(target)
		return one(selectorPath, Warn, "%s protects the pods of %s, which has none between releases, and not those of its primary, which serve users; select %s: %s",
			quoted(kindPDB, budget.Name), quoted(ref.Kind, ref.Name), label, primary[label])
	case ofPrimary && budget.Spec.MaxUnavailable != nil && isNone(*budget.Spec.MaxUnavailable):
		return one(boundsPath, Warn, "%s lets no pod of the primary of %s go, so no node can be drained; allow at least maxUnavailable 1", quoted(kindPDB, budget.Name), quoted(kindCanary, canary.Name))
	case ofPrimary && budget.Spec.MinAvailable != nil:
		b, scaled := w.scalerOf(canary)
		if least := *budget.Spec.MinAvailable; isAll(least) || scaled && least.Type == intstr.Int && least.IntVal >= b.min {
			return one(boundsPath, Warn, "%s wants %s pods of the primary of %s available, and there may be no more than that, so no node can be drained; use maxUnavailable: 1",
				quoted(kindPDB, budget.Name), least.String(), quoted(kindCanary, canary.Name))
		}
	}
	return nil
}

func isNone(n intstr.IntOrString) bool {
	return n.Type == intstr.Int && n.IntVal == 0 || n.Type == intstr.String && n.StrVal == "0%"
}

func isAll(n intstr.IntOrString) bool { return n.Type == intstr.String && n.StrVal == "100%" }
