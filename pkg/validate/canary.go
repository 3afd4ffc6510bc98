package validate

import (
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

var canaryRules = []bound[canaryv1beta1.Canary]{
	{"SL001", canaryAutoscalerMissing},
	{"SL003", canaryAutoscalerForeign},
	{"SL007", canaryAutoscalersRival},
	{"SL011", canaryCountsProxies},
	{"SL018", canaryTargetShared},
	{"SL022", canaryTargetKind},
	{"SL029", canaryStepsClimb},
	{"SL030", canaryWeightsBounded},
	{"SL031", canaryStrategyClear},
	{"SL071", canaryProviderServed},
}

// Canary checks a Canary; old is nil when it is new.
func Canary(old, new *canaryv1beta1.Canary, world World) []Finding {
	return evaluate(canaryRules, change[canaryv1beta1.Canary]{old: old, new: new, world: world})
}
