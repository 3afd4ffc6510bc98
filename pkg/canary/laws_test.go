package canary

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
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
			law(after.Phase == canaryv1beta1.CanaryPhaseInitializing || f.Shares() == routed(after, is), "weights %v, state has %d", f, is)
		case TargetScale:
			law(f.Replicas > 0 || obs.Primary.serves(), "target to zero without a primary that serves")
			mesh := obs.Weights != nil && !obs.Weights.ReachCanary()
			apex := c.Spec.Provider == canaryv1beta1.ProviderKubernetes && obs.ApexReady
			law(f.Replicas > 0 || mesh || apex, "target to zero while it gets traffic")
		}
	}
	law(after.Phase != failed || is == 0, "Failed at weight %d", is)
	alarmed := slices.ContainsFunc(plan.Events, func(e Event) bool { return e.Alert != nil && e.Alert.Severity != canaryv1beta1.SeverityInfo })
	law(before.Phase == failed || after.Phase != failed || alarmed, "a release failed and nobody was told")
	law(after.Phase != canaryv1beta1.CanaryPhaseSucceeded || is == 0, "Succeeded at weight %d", is)
	law(before.Phase == failed || after.Phase != failed || was == 0 || obs.Primary.serves(), "rolled back to a primary without endpoints")

	if after.Phase == canaryv1beta1.CanaryPhaseTerminating && is > was {
		law(obs.Target.Ready > 0, "everybody is sent to a target without a pod")
	} else if is > was && obs.Target != nil && obs.Target.Recreates && is == 100 {
		law(obs.Target.Ready > 0, "everybody is sent to a canary without a pod")
	} else if is > was {
		law(obs.Weights != nil && obs.Weights.Shares() == routed(before, was), "a step while the router lags")
		law(obs.MeshReady, "a step while mesh objects are missing")
		law(after.FailedChecks == before.FailedChecks, "a step on a failed check")
		law(obs.Target != nil && settings{c}.interval() > 0 && obs.Now.Sub(before.Rollout.LastCheckTime.Time) >= settings{c}.interval(),
			"a step before the interval was over")
		for _, m := range after.Rollout.Metrics {
			law(!underway(&before) || m.Verdict == canaryv1beta1.VerdictPass, "a step although %s is %s", m.Name, m.Verdict)
		}
		next, _ := nextWeight(schedule(settings{c}.analysis()), was)
		if n := (settings{c}).analysis().Iterations.IntOr(0); n > 0 {
			next = 100
			law(StrategyOf(c) == canaryv1beta1.StrategyABTesting || before.Iterations.Int() >= n, "all traffic after %v of %d checks", before.Iterations, n)
		}
		law(is == next, "a step from %d to %d, the schedule has %d", was, is, next)
	}
	if j, judged := (&pass{settings: settings{c}, obs: obs}).judgedContinuously(); judged && (settings{c}).actsContinuously() {
		law(is <= was || was == 0 || !j.Owing(), "a step while bad requests are not made up for")
		law(is <= was || j.Verdict != gate.Fail, "a step against the continuous judge")
		// Where nothing is analysed, the one step is that of a canary which stands in for a primary that is recreated.
		law(is <= was || was > 0 || c.Spec.SkipAnalysis || obs.Evidence.Ticks >= readingsFirst, "a first step before the primary is known")
		law(is == 0 || j.Verdict != gate.Fail || !obs.Primary.serves(), "traffic stays although the continuous judge says Fail")
	}
	if after.Phase == canaryv1beta1.CanaryPhasePromoting && before.Phase != after.Phase {
		p := &pass{settings: settings{c}, obs: obs, was: &before, st: &after}
		law(p.canaryNotReady() == "", "a canary is promoted that is not ready")
	}
	if r, was := after.LastRequest, before.LastRequest; r != nil && was != nil {
		law(!r.At.Before(&was.At), "a request from before the last one is answered")
	}
	law(after.FailedChecks <= before.FailedChecks+1, "more than one failed check at once")
	if r := after.Rollout; r != nil && before.Rollout != nil && after.Phase == progressing && before.Phase == progressing {
		law(r.MinPrimaryReplicas >= before.Rollout.MinPrimaryReplicas, "the primary's floor sank during the rollout")
	}
	return out
}

// routed are the weights that a share, in percent, of a rollout's own requests means.
func routed(st canaryv1beta1.CanaryStatus, share int) Weights {
	if st.Rollout.Strategy == canaryv1beta1.StrategyABTesting {
		return Weights{Primary: 100, Matched: share}
	}
	return Weights{Primary: 100 - share, Canary: share}
}

// runs is how many random stories are played: a hundred, or as many as SLUICE_LAWS says (make laws).
func runs(t *testing.T) {
	if n := os.Getenv("SLUICE_LAWS"); n != "" {
		if err := flag.Set("rapid.checks", n); err != nil {
			t.Fatal(err)
		}
	}
}

// story is how a random run ends, once the cluster is well again.
type story struct {
	name string
	// spec is what is set first of all.
	spec string
	// success and serves are what the Envoys report in the end.
	success, serves string
	// want is the phase at the end, and router who serves then.
	want   canaryv1beta1.CanaryPhase
	router Weights
}

var stories = []story{
	{"ends well", "{}", "100", "canary=20/0", canaryv1beta1.CanaryPhaseSucceeded, Weights{Primary: 100}},
	{"ends badly", "{}", "0", "canary=20/100", failed, Weights{Primary: 100}},
	{"is deleted", "{revertOnDeletion: true}", "100", "canary=20/0", canaryv1beta1.CanaryPhaseTerminated, Weights{Canary: 100}},
}

// gates are webhooks of every type that decides something, and a metric of a provider.
const gates = `{analysis: {webhooks: [
	{name: start, type: confirm-rollout, url: http://x}, {name: before, type: pre-rollout, url: http://x}, {name: load, url: http://x},
	{name: more, type: confirm-traffic-increase, url: http://x}, {name: promote, type: confirm-promotion, url: http://x},
	{name: back, type: rollback, url: http://x}, {name: after, type: post-rollout, url: http://x}],
	metrics: [{name: request-success-rate, thresholdRange: {min: 99}}, {name: request-duration, thresholdRange: {max: 500}},
	{name: errors, templateRef: {name: errors}, thresholdRange: {max: 5}}]}}`

// TestLaws plays random scenes: users push, revert, suspend, promote, abort, delete and edit, templates and configuration; pods
// come and go; metrics pass, fail and fall silent; webhooks and providers agree, refuse, answer late or never, or lie; the
// process dies after any write, of the state or of a fact. The laws above hold at every single pass, and every change of phase
// is one that a film shows. In the end the cluster gets well, and every story ends: under all-pass the newest revision is
// promoted, under all-fail it is rolled back, and what was deleted has handed over to its target.
func TestLaws(t *testing.T) {
	shared, err := txtar.ParseFile("testdata/shared.txt")
	if err != nil {
		t.Fatal(err)
	}
	runs(t)
	shown := edges(t)
	rapid.Check(t, func(t *rapid.T) {
		w := untouchedWorld(t, file(t, shared, "canary.yaml"), file(t, shared, "deployment.yaml"))
		w.watch = func(before, after canaryv1beta1.CanaryStatus) {
			if e := (edge{before.Phase, after.Phase}); e.from != e.to && len(shown[e]) == 0 {
				t.Fatalf("no film shows %s\n%s", e, w.timeline.String())
			}
		}
		w.dieAfter = rapid.IntRange(0, 12).Draw(t, "writes of the initialisation until the process dies")
		if err := w.settle(); err != nil {
			t.Fatal(err)
		}
		ends := rapid.SampledFrom(stories).Draw(t, "story")
		w.plays(t, []string{"spec", ends.spec})
		if rapid.Bool().Draw(t, "gated") {
			w.plays(t, []string{"at", "0s", "metric:errors=1"}, []string{"hook", "back", "fail", "no"}, []string{"spec", gates})
		}
		w.plays(t, rapid.SliceOfN(rapid.Custom(scene), 1, 40).Draw(t, "scenes")...)
		w.recovers(t, ends)
		if ends.want == canaryv1beta1.CanaryPhaseTerminated {
			w.plays(t, []string{"at", "1m"}, []string{"bye"})
			w.plays(t, rapid.SliceOfN(rapid.Custom(scene), 0, 5).Draw(t, "scenes of the deletion")...)
			w.recovers(t, ends)
		}
		w.plays(t, []string{"push", "podinfo:final"}, []string{"at", "15m"})
		w.ended(t, ends)
	})
}

// plays plays scenes; times are from now.
func (w *world) plays(t tb, scenes ...[]string) {
	for _, words := range scenes {
		if w.canary.Status.Phase == canaryv1beta1.CanaryPhaseTerminated && len(w.canary.Finalizers) == 0 {
			return // nobody looks after what is there any more
		}
		w.log("> %s", strings.Join(words, " "))
		if words[0] == "at" {
			words = slices.Clone(words)
			words[1] = w.now.Add(must(time.ParseDuration(words[1]))).Sub(epoch).String()
		}
		if err := w.do(words); err != nil {
			t.Fatal(err, w.timeline.String())
		}
	}
}

// recovers makes all well but what the story is about.
func (w *world) recovers(t tb, ends story) {
	w.plays(t, []string{"spec", "{suspend: false, skipAnalysis: false}"}, []string{"resume"},
		[]string{"writes", "on"}, []string{"acks"}, []string{"block"}, []string{"turn"}, []string{"wontroll"},
		[]string{"hook", "start", "ok"}, []string{"hook", "before", "ok"}, []string{"hook", "load", "ok"}, []string{"hook", "more", "ok"},
		[]string{"hook", "promote", "ok"}, []string{"hook", "back", "fail", "no"}, []string{"hook", "after", "ok"},
		[]string{"at", "0s", "ready=all", "primaryready=all", "p99=10ms", "mesh=ok", "success=" + ends.success, ends.serves, "primary=50/0",
			"crash=none", "metric:errors=1"})
}

// ended holds the end of a story.
func (w *world) ended(t tb, ends story) {
	st, deleted := w.canary.Status, ends.want == canaryv1beta1.CanaryPhaseTerminated
	if st.Phase != ends.want || (w.target.Replicas > 0) != deleted || w.router.Shares() != ends.router || w.router.Mirror != 0 {
		t.Fatal(fmt.Sprintf("ends as %s with router %v and %d replicas\n%s", st.Phase, w.router, w.target.Replicas, w.timeline.String()))
	}
	if deleted {
		if !w.obs.ApexOnTarget || len(w.canary.Finalizers) > 0 {
			t.Fatal("deleted without handing over", w.timeline.String())
		}
		return
	}
	if live := w.image(w.primary.Revision); (live == "podinfo:final") != (ends.want == canaryv1beta1.CanaryPhaseSucceeded) {
		t.Fatal(fmt.Sprintf("users have %s\n%s", live, w.timeline.String()))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// scene draws one line of a script.
func scene(t *rapid.T) []string {
	pick := func(from ...string) string { return rapid.SampledFrom(from).Draw(t, "word") }
	switch verb := pick("at", "at", "at", "at", "at", "hook", "hook", "metric", "push", "edit", "crash", "die", "die", "die", "config", "turn", "wontroll",
		"recreate", "anew", "scale", "spec", "acks", "writes", "restart", "block", "ask", "ask", "pause", "resume"); verb {
	case "at":
		return []string{
			"at", pick("1s", "5s", "10s", "33s", "90s"),
			"success=" + pick("100", "100", "100", "0", "nodata", "unreachable", "error"),
			"p99=" + pick("10ms", "10ms", "10ms", "900ms"),
			"ready=" + pick("all", "all", "all", "1", "0"),
			"primaryready=" + pick("all", "all", "all", "1", "0"),
			"mesh=" + pick("ok", "ok", "broken"),
			"canary=" + pick("20/0", "20/0", "20/5/5", "0", "20/100"), "primary=" + pick("50/0", "50/30", "0"),
			"crash=" + pick("none", "none", "none", "podinfo-1"),
		}
	case "hook":
		name := pick("start", "before", "load", "more", "promote", "back", "after")
		if how := pick("ok", "fail", "silent", "late"); how != "fail" {
			return []string{"hook", name, how}
		}
		return []string{"hook", name, "fail", "no"}
	case "metric":
		return []string{"at", "0s", "metric:errors=" + pick("1", "1", "9", "nodata", "error", "unasked")}
	case "push", "anew":
		return []string{verb, pick("podinfo:3.1.0", "podinfo:3.1.1", "podinfo:3.1.2")}
	case "edit":
		return []string{"edit", pick("0", "40", "100")}
	case "ask":
		return []string{"ask", pick("promote", "abort", "retry")}
	case "scale":
		return []string{"scale", pick("0", "1", "5")}
	case "die":
		return []string{"die", pick("1", "2", "3", "4", "5", "6", "7")}
	case "config":
		return []string{"config", pick("configmap/app=1", "configmap/app=2", "secret/db=1", "secret/db=2", "off")}
	case "turn":
		return []string{"turn", "limit=2", "running=" + pick("0", "1", "2"), "ahead=" + pick("0", "1")}
	case "wontroll":
		return []string{"wontroll", "spec.paused is true"}[:rapid.IntRange(1, 2).Draw(t, "stopped")]
	case "spec":
		return []string{"spec", pick("{suspend: true}", "{suspend: false}", "{skipAnalysis: true}", "{skipAnalysis: false}",
			"{analysis: {stepWeight: 25, maxWeight: 100}}", "{analysis: {stepWeight: 5, maxWeight: 30}}",
			"{analysis: {stepWeightPromotion: 30}}", "{analysis: {stepWeightPromotion: 0}}",
			"{analysis: {iterations: 3}}", "{analysis: {iterations: 2}}", "{analysis: {iterations: null}}",
			"{analysis: {mirror: true, mirrorWeight: 20}}", "{analysis: {mirror: false}}",
			"{analysis: {sessionAffinity: {cookieName: user, primaryCookieName: old}}}", "{analysis: {sessionAffinity: null}}",
			"{analysis: {match: [{headers: {x-canary: {exact: insider}}}]}}", "{analysis: {match: null}}",
			"{analysis: {gate: {noData: Hold}}}", "{analysis: {gate: {mode: Continuous}}}", "{analysis: {gate: {mode: Continuous}}}",
			"{analysis: {gate: {mode: Continuous, dryRun: true}}}", "{analysis: {threshold: 1}}")}
	case "acks", "writes":
		return []string{verb, pick("on", "off")}
	case "block":
		return []string{"block", "some rule"}[:rapid.IntRange(1, 2).Draw(t, "blocked")]
	default:
		return []string{verb}
	}
}
