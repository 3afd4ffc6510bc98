package validate

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
)

// targetGroups are the kinds that a Canary can release, and the API group of each.
var targetGroups = map[string]string{
	canaryv1beta1.TargetKindDeployment: "apps",
	canaryv1beta1.TargetKindDaemonSet:  "apps",
	canaryv1beta1.TargetKindService:    "",
}

// canaryTargetShared is SL018. A Canary that is being deleted counts too: until its finalizer is gone it still acts
// on the target.
func canaryTargetShared(c change[canaryv1beta1.Canary]) []problem {
	var problems []problem
	for _, other := range related[canaryv1beta1.Canary](c.world, kindCanary, releases, targetOf(c.new).key()) {
		if other.Name == c.new.Name {
			continue
		}
		problems = append(problems, problem{
			field.NewPath("spec", "targetRef"), Deny,
			fmt.Sprintf("%s already releases %s, and two Canaries of one target undo each other's work; delete %[1]s or set another targetRef",
				quoted(kindCanary, other.Name), targetOf(c.new)),
		})
	}
	return problems
}

// canaryTargetKind is SL022.
func canaryTargetKind(c change[canaryv1beta1.Canary]) []problem {
	ref, path := c.new.Spec.TargetRef, field.NewPath("spec", "targetRef")
	want, known := targetGroups[ref.Kind]
	switch {
	case !known:
		return []problem{{
			path.Child("kind"), Deny,
			fmt.Sprintf("a Canary cannot release a %s; set kind to Deployment, DaemonSet or Service", ref.Kind),
		}}
	case group(ref.APIVersion) != want:
		version := "apps/v1"
		if want == "" {
			version = "v1"
		}
		return []problem{{
			path.Child("apiVersion"), Warn, // the kind alone decides, as it always did
			fmt.Sprintf("there is no %s in %s; set apiVersion to %s", ref.Kind, ref.APIVersion, version),
		}}
	}
	return nil
}

// canaryHonoured is SL103 for a Canary: what the engine says of it in a condition is told at apply, too.
func canaryHonoured(c change[canaryv1beta1.Canary]) []problem {
	if len(canaryProviderServed(c)) > 0 {
		return nil // SL071 speaks, and whoever serves it may honour them
	}
	var out []problem
	for _, ignored := range engine.Ignored(c.new) {
		if ignored.Field == "analysis.match" {
			continue // SL033 speaks
		}
		message := "nothing follows from this field"
		if ignored.Instead != "" {
			message += ": " + ignored.Instead
		}
		out = append(out, problem{field.NewPath("spec").Child(ignored.Field), Warn, message + "; remove it"})
	}
	return out
}

// canaryProviderServed is SL071. It only warns: a Flagger in the same cluster may serve the Canary.
func canaryProviderServed(c change[canaryv1beta1.Canary]) []problem {
	switch provider := c.new.Spec.Provider; provider {
	case "", canaryv1beta1.ProviderAppMesh, canaryv1beta1.ProviderAppMeshV1Beta2, canaryv1beta1.ProviderKubernetes:
		return nil
	default:
		return []problem{{
			field.NewPath("spec", "provider"), Warn,
			fmt.Sprintf("provider %q is not served, so nothing will happen; set provider to appmesh:v1beta2, which is what it is when left out, to appmesh or to kubernetes", provider),
		}}
	}
}
