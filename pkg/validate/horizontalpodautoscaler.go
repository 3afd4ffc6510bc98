package validate

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var hpaRules = []bound[autoscalingv2.HorizontalPodAutoscaler]{
	{"SL001", hpaWithoutReference},
	{"SL003", hpaForeignToReference},
	{"SL004", hpaRedundant},
	{"SL005", hpaNeverZero},
	{"SL007", hpaRival},
	{"SL009", hpaOfPrimary},
	{"SL010", hpaRequestsSet},
	{"SL011", hpaCountsProxies},
	{"SL012", hpaContainersThere},
	{"SL016", hpaKeptDuringRollout},
	{"SL017", hpaVersionServed},
	{"SL048", leftToRollout[autoscalingv2.HorizontalPodAutoscaler]},
}

// HorizontalPodAutoscaler checks a HorizontalPodAutoscaler where it has to do with a Canary; old is nil when it is new.
func HorizontalPodAutoscaler(old, new *autoscalingv2.HorizontalPodAutoscaler, world World) []Finding {
	return evaluate(hpaRules, change[autoscalingv2.HorizontalPodAutoscaler]{old: old, new: new, world: world})
}

var scaleTargetPath = field.NewPath("spec", "scaleTargetRef")

// hpaWithoutReference is SL001 when the autoscaler comes second.
func hpaWithoutReference(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	target := scaledByHPA(c.new)
	var problems []problem
	for _, canary := range c.world.canariesOf(target) {
		if canary.Spec.AutoscalerRef != nil {
			continue
		}
		problems = append(problems, problem{
			scaleTargetPath, Deny,
			fmt.Sprintf("%s is the target of %s, which has no autoscalerRef, so its primary, which takes the traffic, would never scale; first add to %[2]s: autoscalerRef: %s",
				target, quoted(kindCanary, canary.Name), reference(c.new)),
		})
	}
	return problems
}

// hpaForeignToReference is SL003 when the autoscaler comes second.
func hpaForeignToReference(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	scaled := scaledByHPA(c.new)
	var problems []problem
	for _, canary := range c.world.canariesScaledBy(kindHPA, c.new.Namespace, c.new.Name) {
		target := targetOf(canary)
		if target == scaled {
			continue
		}
		problems = append(problems, problem{
			scaleTargetPath, Deny,
			fmt.Sprintf("this scales %s, but %s names it as the autoscaler of its target %s; set scaleTargetRef to %[3]s, or change the autoscalerRef of %[2]s first",
				full(scaled, target), quoted(kindCanary, canary.Name), full(target, scaled)),
		})
	}
	return problems
}

// hpaRival is SL007 when the autoscaler comes last. Autoscalers of workloads that no Canary releases are not our business.
func hpaRival(c change[autoscalingv2.HorizontalPodAutoscaler]) []problem {
	target := scaledByHPA(c.new)
	canaries := c.world.canariesOf(target)
	if len(canaries) == 0 {
		return nil
	}
	for _, other := range c.world.hpasOf(target) {
		if other.Name == c.new.Name {
			continue
		}
		return []problem{{
			scaleTargetPath, Deny,
			fmt.Sprintf("%s already scales %s, the target of %s, and two autoscalers overwrite each other's replicas; change %[1]s instead, or delete it first",
				quoted(kindHPA, other.Name), target, quoted(kindCanary, canaries[0].Name)),
		}}
	}
	return nil
}
