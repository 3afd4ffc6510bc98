package canary

import (
	"fmt"
	"reflect"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// broken lists the laws that a plan breaks. They hold for every state and every observation.
func broken(c *canaryv1beta1.Canary, obs Observation, plan Plan) []string {
	var out []string
	law := func(ok bool, format string, args ...any) {
		if !ok {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	before, after := c.Status, plan.Status
	was, is := before.CanaryWeight.Int(), after.CanaryWeight.Int()

	law(reflect.DeepEqual(Next(c, obs), plan), "same input, another plan")

	for _, f := range plan.Facts {
		switch f := f.(type) {
		case Weights:
			law(f.Primary+f.Canary == 100 && f.Primary >= 0 && f.Canary >= 0, "weights %v do not sum to 100", f)
			law(after.Phase == canaryv1beta1.CanaryPhaseInitializing || f.Canary == is, "weights %v, state has %d", f, is)
		case TargetScale:
			law(f.Replicas > 0 || obs.Primary.serves(), "target to zero without a primary that serves")
			law(f.Replicas > 0 || obs.Weights != nil && obs.Weights.Canary == 0, "target to zero while it gets traffic")
		}
	}
	law(after.Phase != failed || is == 0, "Failed at weight %d", is)
	law(after.Phase != canaryv1beta1.CanaryPhaseSucceeded || is == 0, "Succeeded at weight %d", is)
	law(before.Phase == failed || after.Phase != failed || was == 0 || obs.Primary.serves(), "rolled back to a primary without endpoints")

	if is > was {
		law(obs.Weights != nil && *obs.Weights == (Weights{Primary: 100 - was, Canary: was}), "a step while the router lags")
		law(obs.MeshReady, "a step while mesh objects are missing")
		law(after.FailedChecks == before.FailedChecks, "a step on a failed check")
		law(obs.Target != nil && settings{c}.interval() > 0 && obs.Now.Sub(before.Rollout.LastCheckTime.Time) >= settings{c}.interval(),
			"a step before the interval was over")
		for _, m := range after.Rollout.Metrics {
			law(was == 0 || m.Verdict == canaryv1beta1.VerdictPass, "a step although %s is %s", m.Name, m.Verdict)
		}
		next, _ := nextWeight(schedule(settings{c}.analysis()), was)
		law(is == next, "a step from %d to %d, the schedule has %d", was, is, next)
	}
	law(after.FailedChecks <= before.FailedChecks+1, "more than one failed check at once")
	if r := after.Rollout; r != nil && before.Rollout != nil && after.Phase == progressing && before.Phase == progressing {
		law(r.MinPrimaryReplicas >= before.Rollout.MinPrimaryReplicas, "the primary's floor sank during the rollout")
	}
	return out
}
