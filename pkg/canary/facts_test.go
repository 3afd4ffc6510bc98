package canary

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// The order of facts is what keeps users served when the process dies in the middle of them.
func TestFacts(t *testing.T) {
	const old, novel = "00000000000000aa", "00000000000000bb"
	all := func(phase canaryv1beta1.CanaryPhase, weight int, change func(*canaryv1beta1.Canary, *Observation)) string {
		c := podinfo()
		c.Spec.AutoscalerRef = &canaryv1beta1.AutoscalerReference{Kind: "HorizontalPodAutoscaler", Name: "podinfo"}
		c.Status = canaryv1beta1.CanaryStatus{
			Phase: phase, CanaryWeight: canaryv1beta1.Number(weight), LastPromotedSpec: old, LastAppliedSpec: novel,
			Rollout: &canaryv1beta1.RolloutStatus{Revision: novel, ControllerRevision: "podinfo-" + novel, MinPrimaryReplicas: 3,
				StepReachedTime: metav1.NewTime(epoch), LastCheckTime: metav1.NewTime(epoch)},
		}
		two := int32(2)
		obs := Observation{
			Now:       epoch,
			MeshReady: true, ApexReady: true,
			Target:     &Workload{Replicas: 2, Updated: 2, Total: 2, Ready: 2, AvailableReplicas: 2, Revision: novel},
			Primary:    &Workload{Replicas: 3, Updated: 3, Total: 3, Ready: 3, AvailableReplicas: 3, Revision: old},
			Autoscaler: &Autoscaler{MinReplicas: &two},
			Weights:    &Weights{Primary: 100 - weight, Canary: weight},
		}
		if change != nil {
			change(c, &obs)
		}
		p := &pass{settings: settings{c}, obs: obs, was: &c.Status, st: c.Status.DeepCopy()}
		var out []string
		for _, f := range p.facts() {
			out = append(out, printFact(f))
		}
		return strings.Join(out, ", ")
	}
	nothing := func(c *canaryv1beta1.Canary, o *Observation) {
		c.Status.LastPromotedSpec, c.Status.Rollout.LastCheckTime = "", metav1.Time{}
		o.Primary, o.Weights, o.MeshReady, o.ApexReady = nil, nil, false, false
	}
	for name, c := range map[string]struct{ got, want string }{
		"first the mesh, and callers stay with the target": {
			all(canaryv1beta1.CanaryPhaseInitializing, 0, nothing),
			"keep bb, mesh, services, weights 0/100"},
		"pods only once their virtual nodes are there": {
			all(canaryv1beta1.CanaryPhaseInitializing, 0, func(c *canaryv1beta1.Canary, o *Observation) { nothing(c, o); o.MeshReady = true }),
			"keep bb, mesh, services, primary bb floor 0, scaler, weights 0/100"},
		"the apex when the primary has taken over": {
			all(canaryv1beta1.CanaryPhaseInitializing, 0, func(c *canaryv1beta1.Canary, o *Observation) { c.Status.LastPromotedSpec = "" }),
			"keep bb, mesh, services, primary bb floor 0, scaler, apex, weights 100/0"},
		"without a target nothing": {
			all(canaryv1beta1.CanaryPhaseInitializing, 0, func(c *canaryv1beta1.Canary, o *Observation) { o.Target = nil }), ""},
		"the target goes last": {
			all(canaryv1beta1.CanaryPhaseInitialized, 0, nil),
			"keep bb, mesh, services, primary aa floor 0, scaler, apex, weights 100/0, pause, target 0"},
		"and not while its traffic has not left": {
			all(canaryv1beta1.CanaryPhaseSucceeded, 0, func(c *canaryv1beta1.Canary, o *Observation) { o.Weights = &Weights{Primary: 90, Canary: 10} }),
			"weights 100/0, keep bb, mesh, services, primary aa floor 0, scaler, apex, weights 100/0"},
		"and not while nobody else serves": {
			all(canaryv1beta1.CanaryPhaseSucceeded, 0, func(c *canaryv1beta1.Canary, o *Observation) { o.Primary.Ready = 0 }),
			"keep bb, mesh, services, primary aa floor 0, scaler, apex, weights 100/0"},
		"a canary has pods before it has weight, and the primary its floor before both": {
			all(progressing, 20, func(c *canaryv1beta1.Canary, o *Observation) { o.Target.Replicas = 0 }),
			"keep bb, mesh, services, primary aa floor 3, scaler 3, apex, resume, target 2, weights 80/20"},
		"without an autoscaler as many as the primary": {
			all(progressing, 0, func(c *canaryv1beta1.Canary, o *Observation) { o.Target.Replicas, c.Spec.AutoscalerRef = 0, nil }),
			"keep bb, mesh, services, primary aa floor 3, apex, target 3, weights 100/0"},
		"a canary that runs is left to its autoscaler": {
			all(progressing, 20, func(c *canaryv1beta1.Canary, o *Observation) { o.Target.Replicas = 7 }),
			"keep bb, mesh, services, primary aa floor 3, scaler 3, apex, resume, target 7, weights 80/20"},
		"weights that sink come first, a restart's for one": {
			all(progressing, 0, func(c *canaryv1beta1.Canary, o *Observation) { o.Weights = &Weights{Primary: 50, Canary: 50} }),
			"weights 100/0, keep bb, mesh, services, primary aa floor 3, scaler 3, apex, resume, target 2, weights 100/0"},
		"the promoted template is the one that was kept, whatever the target holds": {
			all(canaryv1beta1.CanaryPhasePromoting, 50, func(c *canaryv1beta1.Canary, o *Observation) { o.Target.Revision = "00000000000000cc" }),
			"mesh, services, primary bb floor 3, scaler 3, apex, resume, target 2, weights 50/50"},
		"traffic leaves before the canary does": {
			all(canaryv1beta1.CanaryPhaseFinalising, 0, nil),
			"keep bb, mesh, services, primary bb floor 3, scaler 3, apex, weights 100/0"},
		"a rollback begins with the weights": {
			all(failed, 0, func(c *canaryv1beta1.Canary, o *Observation) { o.Weights = &Weights{Primary: 50, Canary: 50} }),
			"weights 100/0, keep bb, mesh, services, primary aa floor 0, scaler, apex"},
		"then the target": {
			all(failed, 0, nil),
			"weights 100/0, pause, target 0, keep bb, mesh, services, primary aa floor 0, scaler, apex"},
		"a primary that Flagger made is left as it is until the next promotion": {
			all(canaryv1beta1.CanaryPhaseSucceeded, 0, func(c *canaryv1beta1.Canary, o *Observation) { o.Primary.Revision = "" }),
			"keep bb, mesh, services, scaler, apex, weights 100/0, pause, target 0"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// printFact is short: of a revision only its end.
func printFact(f Fact) string {
	end := func(s string) string { return s[len(s)-2:] }
	switch f := f.(type) {
	case KeepRevision:
		return "keep " + end(f.Name)
	case MeshObjects:
		return "mesh"
	case VersionServices:
		return "services"
	case TrackedConfigs:
		return fmt.Sprintf("configs %v", f.Hashes)
	case PrimaryWorkload:
		return fmt.Sprintf("primary %s floor %d", end(f.FromRevision), f.MinReplicas)
	case PrimaryScaler:
		if f.MinReplicas != nil {
			return fmt.Sprintf("scaler %d", *f.MinReplicas)
		}
		return "scaler"
	case Held:
		return fmt.Sprintf("finalizer %v", f.By)
	case PrimaryReleased:
		return "release"
	case TargetScaler:
		return map[bool]string{true: "pause", false: "resume"}[f.Paused]
	case ApexService:
		return "apex"
	case Weights:
		return fmt.Sprintf("weights %d/%d", f.Primary, f.Canary)
	case TargetScale:
		return fmt.Sprintf("target %d", f.Replicas)
	}
	return fmt.Sprintf("%T", f)
}
