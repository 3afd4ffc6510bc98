package validate

import (
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

var canaryRules = []bound[canaryv1beta1.Canary]{
	// its autoscaler
	{"SL001", canaryAutoscalerMissing},
	{"SL002", canaryScalerThere},
	{"SL003", canaryAutoscalerForeign},
	{"SL004", canaryReplicasRedundant},
	{"SL005", canaryNeverZero},
	{"SL006", canaryBoundsOrdered},
	{"SL007", canaryAutoscalersRival},
	{"SL008", canaryScalersAgree},
	{"SL011", canaryCountsProxies},

	// its names, and what it releases
	{"SL018", canaryTargetShared},
	{"SL019", canaryServicesShared},
	{"SL020", canaryNamesFree},
	{"SL021", canaryNamesFit},
	{"SL022", canaryTargetKind},
	{"SL023", canaryTargetThere},
	{"SL024", canaryTargetKept},
	{"SL025", canaryServiceKept},
	{"SL026", ofCanary(targetSelected)},
	{"SL027", ofCanary(targetApart)},
	{"SL028", ofCanary(targetFree)},

	// how it moves and is judged
	{"SL029", canaryStepsClimb},
	{"SL030", canaryWeightsBounded},
	{"SL031", canaryStrategyClear},
	{"SL032", canaryMatchCounted},
	{"SL033", canaryMatchServed},
	{"SL034", canaryIntervalServed},
	{"SL035", canaryWindowsSampled},
	{"SL036", canaryThresholdCounts},
	{"SL037", canaryDeadlineCounts},
	{"SL038", canaryMetricsDefined},
	{"SL039", canaryRangesHold},
	{"SL040", canaryIsJudged},
	{"SL041", canaryHooksAnswer},
	{"SL042", canaryNumbersWhole},

	// the mesh around it
	{"SL043", canaryPortsThere},
	{"SL045", canaryInMesh},
	{"SL050", canaryHasCallers},
	{"SL052", ofCanary(targetInjected)},
	{"SL053", canaryAffinityServed},
	{"SL054", canaryMirrorServed},
	{"SL055", canaryRetriesFit},

	// the cluster around it
	{"SL056", canaryBudgets},
	{"SL057", ofCanary(targetRolls)},
	{"SL058", ofCanary(targetMoves)},
	{"SL059", ofCanary(targetProbed)},
	{"SL060", canaryQuotaSuffices},
	{"SL061", canaryShareFits},
	{"SL062", canaryReturnGentle},
	{"SL063", canaryShrinksSlowly},
	{"SL065", ofCanary(targetConfigs)},
	{"SL066", ofCanary(targetVolumes)},
	{"SL067", canarySkips},
	{"SL068", canaryAlertsFire},
	{"SL069", canaryScalerWorks},
	{"SL071", canaryProviderServed},
	{"SL075", canaryRateSane},
	{"SL103", canaryHonoured},
}

// Canary checks a Canary; old is nil when it is new.
func Canary(old, new *canaryv1beta1.Canary, world World) []Finding {
	return evaluate(canaryRules, change[canaryv1beta1.Canary]{old: old, new: new, world: world})
}
