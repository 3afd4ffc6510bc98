package canary

import (
	"encoding/json"
	"testing"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// ask writes what kubectl sluice writes.
func (w *world) ask(what canaryv1beta1.CanaryRequest) {
	w.t.Helper()
	request, err := json.Marshal(canary.Request{Ask: what, At: w.clock.Now(), By: "alice"})
	if err != nil {
		w.t.Fatal(err)
	}
	value, err := json.Marshal(string(request))
	if err != nil {
		w.t.Fatal(err)
	}
	w.patch(canaries, "podinfo", `{"metadata": {"annotations": {"sluice.dev/request": `+string(value)+`}}}`)
}

func (w *world) answered(what canaryv1beta1.CanaryRequest) func() bool {
	return func() bool {
		last := w.canary().Status.LastRequest
		return last != nil && last.Ask == what && last.Outcome == canaryv1beta1.RequestDone && last.By == "alice"
	}
}

// TestPeopleDriveARelease pauses, aborts, tries again and promotes, and a new process does none of it once more.
func TestPeopleDriveARelease(t *testing.T) {
	w := initialised(t, podinfoCanary)
	stop := w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("the first step is taken", func() bool { return w.canary().Status.CanaryWeight > 0 })

	w.patch(canaries, "podinfo", `{"metadata": {"annotations": {"sluice.dev/paused": "by alice"}}}`)
	w.until("it has stopped", func() bool { return canary.HasStopped(w.canary()) })
	weight := w.canary().Status.CanaryWeight
	w.settle()
	if now := w.canary().Status.CanaryWeight; now != weight {
		t.Errorf("from weight %v to %v while it was paused", weight, now)
	}
	w.ask(canaryv1beta1.RequestAbort)
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	w.until("the router is back", func() bool { return podinfoWeights(w.get(virtualRouters, "podinfo")).Primary == 100 })
	w.until("it is answered", w.answered(canaryv1beta1.RequestAbort))
	w.patch(canaries, "podinfo", `{"metadata": {"annotations": {"sluice.dev/paused": null}}}`)
	w.until("it goes on", func() bool { return !canary.HasStopped(w.canary()) })

	w.ask(canaryv1beta1.RequestRetry)
	w.until("it is tried again", w.phase(canaryv1beta1.CanaryPhaseProgressing))
	stop()
	w.start()
	w.until("another process took the first step", func() bool { return w.canary().Status.CanaryWeight > 0 })
	w.ask(canaryv1beta1.RequestPromote)
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	if got := w.deployment("podinfo-primary").Spec.Template.Spec.Containers[0].Image; got != "podinfo:3.1.1" {
		t.Errorf("users have %s", got)
	}
	if n := w.told("Canary failed! Scaling down podinfo." + w.namespace); n != 1 {
		t.Errorf("rolled back %d times", n)
	}
}
