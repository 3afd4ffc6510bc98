package canary

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/notify"
)

// receiver is the other end of webhooks: it writes down who called, and answers as it is told.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	calls   []notify.Payload
	paths   []string
	refuse  map[string]bool
	hanging chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{refuse: map[string]bool{}, hanging: make(chan struct{})}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		close(r.hanging)
		r.Close()
	})
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var p notify.Payload
	if err := json.NewDecoder(req.Body).Decode(&p); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.calls = append(r.calls, p)
	r.paths = append(r.paths, req.URL.Path)
	refused := r.refuse[req.URL.Path]
	r.mu.Unlock()
	if req.URL.Path == "/hang" {
		<-r.hanging
	}
	if refused {
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte("not today"))
	}
}

func (r *receiver) set(path string, refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse[path] = refuse
}

// called lists the calls of a path.
func (r *receiver) called(path string) []notify.Payload {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []notify.Payload
	for i, p := range r.paths {
		if p == path {
			out = append(out, r.calls[i])
		}
	}
	return out
}

// withHooks is podinfoCanary with webhooks.
func withHooks(hooks ...string) string {
	return podinfoCanary + "    webhooks:\n" + strings.Join(hooks, "")
}

func hook(name, kind, url string) string {
	return "    - {name: " + name + ", type: " + kind + ", url: \"" + url + "\", timeout: 10m, metadata: {color: blue}}\n"
}

func TestHooksAreAskedOnTheWay(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t)
	w.hooks = notify.NewClient()
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, withHooks(
		hook("start gate", "confirm-rollout", r.URL+"/start"),
		hook("acceptance", "pre-rollout", r.URL+"/pre"),
		hook("load", "rollout", r.URL+"/load"),
		hook("end gate", "confirm-promotion", r.URL+"/end"),
		hook("report", "post-rollout", r.URL+"/post"),
		hook("chat", "event", r.URL+"/chat"),
	))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	r.set("/start", true)
	r.set("/end", true)
	w.setImage("podinfo:3.1.1")
	w.until("it waits for approval", w.phase(canaryv1beta1.CanaryPhaseWaiting))
	w.until("it says so", func() bool { return w.told("waiting for approval start gate") > 0 })
	r.set("/start", false)
	w.until("it waits for the promotion", w.phase(canaryv1beta1.CanaryPhaseWaitingPromotion))
	r.set("/end", false)
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	w.until("the report is sent", func() bool { return len(r.called("/post")) == 1 })

	pre := r.called("/pre")
	if len(pre) != 1 {
		t.Fatalf("the acceptance test ran %d times", len(pre))
	}
	if p := pre[0]; p.Name != "podinfo" || p.Namespace != w.namespace || p.Phase != "Progressing" || p.Checksum == "" || p.Metadata["color"] != "blue" {
		t.Errorf("payload %+v", p)
	}
	if p := r.called("/start")[0]; p.Phase != "Waiting" {
		t.Errorf("confirm-rollout was told %s", p.Phase)
	}
	if p := r.called("/post")[0]; p.Phase != "Succeeded" {
		t.Errorf("post-rollout was told %s", p.Phase)
	}
	if n := len(r.called("/load")); n < 3 {
		t.Errorf("load was asked for %d times, at least once per step", n)
	}
	told := func(text string) func() bool {
		return func() bool {
			return slices.ContainsFunc(r.called("/chat"), func(p notify.Payload) bool {
				return strings.Contains(p.Metadata["eventMessage"], text) && p.Metadata["eventType"] == "Normal"
			})
		}
	}
	w.until("the chat hears of the end", told("Promotion completed!"))
	if !told("canary weight 40")() {
		t.Error("the chat did not hear of a step")
	}
}

func TestARefusedCheckIsAFailedCheck(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t)
	w.hooks = notify.NewClient()
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, withHooks(hook("acceptance", "pre-rollout", r.URL+"/pre")))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	r.set("/pre", true)
	before := len(w.weights.all()) // while it is initialised, callers go to whichever of the two has a pod
	w.setImage("podinfo:3.1.1")
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	if got := w.weights.all(); slices.ContainsFunc(got[before:], func(weight int) bool { return weight != 0 }) {
		t.Errorf("weights %v: a release that fails its acceptance test gets no traffic", got)
	}
	w.until("an event quotes the answer", func() bool {
		return w.told("pre-rollout check acceptance failed not today") > 0
	})
}

func TestAHangingHookHoldsNothingElse(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t)
	w.hooks = notify.NewClient()
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, withHooks(hook("load", "rollout", r.URL+"/hang")))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("the hook hangs", func() bool { return len(r.called("/hang")) == 1 })
	for range 60 { // six intervals: a question under way is not asked again
		w.clock.Step(time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if n := len(r.called("/hang")); n != 1 {
		t.Errorf("the hook was called %d times while it hung", n)
	}
	w.traffic.set(func(f *traffic) { f.failing = true })
	w.until("it is rolled back all the same", w.phase(canaryv1beta1.CanaryPhaseFailed))
	w.until("the traffic is back", func() bool {
		weights := w.weights.all()
		return weights[len(weights)-1] == 0
	})
}

func TestPodsThatCannotBeReadAreNoVerdict(t *testing.T) {
	w := initialised(t, podinfoCanary)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("the canary has traffic", func() bool { return w.canary().Status.CanaryWeight == 20 })
	w.traffic.set(func(f *traffic) { f.deaf = true })
	unreachable := func() *canaryv1beta1.CanaryCondition { return w.condition("StatsUnreachable") }
	w.until("the condition says so", func() bool { return unreachable() != nil })
	if c := unreachable(); !strings.Contains(c.Message, "NetworkPolicy") || !strings.Contains(c.Message, "podinfo-") {
		t.Errorf("condition %+v", c)
	}
	weight := w.canary().Status.CanaryWeight
	for range 60 {
		w.clock.Step(time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if c := w.canary(); c.Status.CanaryWeight != weight || c.Status.FailedChecks != 0 {
		t.Errorf("weight %v, %v failed checks: what cannot be seen is neither good nor bad", c.Status.CanaryWeight, c.Status.FailedChecks)
	}
	w.traffic.set(func(f *traffic) { f.deaf = false })
	w.until("it goes on", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
}
