package canary

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// loads stands where mesh would be: callers of each virtual node send ten requests per second of the test's clock.
type loads struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time
	epoch string
	// refused nodes refuse all connections; silent replicas are missing from the answers.
	refused map[string]bool
	silent  error
	asked   []string
	counts  map[types.NamespacedName]gate.Counters
}

func (l *loads) set(change func(*loads)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// Calls is the CallerReader.
func (l *loads) Calls(_ context.Context, nodes []types.NamespacedName) ([]CallerSample, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	var out []CallerSample
	for _, node := range nodes {
		l.asked = append(l.asked, node.Name)
		c := l.counts[node]
		n := uint64(now.Sub(l.since).Seconds() * perSecond)
		c.Requests = n
		if l.refused[node.Name] {
			c.Class[5], c.ConnectFailures = n-c.Class[2], n-c.Class[2]
		} else {
			c.Class[2] = n - c.Class[5]
		}
		l.counts[node] = c
		out = append(out, CallerSample{Node: node, Epoch: l.epoch, Age: now.Sub(l.since), Counters: c})
	}
	return out, l.silent
}

func withLoads(t *testing.T) (*world, *loads) {
	t.Helper()
	w := initialised(t, podinfoCanary)
	l := &loads{now: w.clock.Now, since: w.clock.Now(), epoch: "1", refused: map[string]bool{}, counts: map[types.NamespacedName]gate.Counters{}}
	w.callers = l
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	return w, l
}

func (l *loads) questions() (n int) {
	l.set(func(l *loads) { n = len(l.asked) })
	return n
}

func TestCallersAreAskedOnlyDuringAnAnalysis(t *testing.T) {
	w, l := withLoads(t)
	w.clock.Step(time.Minute)
	w.settle()
	if n := l.questions(); n > 0 {
		t.Fatalf("%d questions about an idle Canary", n)
	}
	l.set(func(l *loads) { l.silent = errors.New("replica 10.0.0.9 does not answer") })
	w.setImage("podinfo:3.1.1")
	w.until("it is promoted, whoever is silent", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	l.set(func(l *loads) {
		slices.Sort(l.asked)
		if got := slices.Compact(l.asked); !slices.Equal(got, []string{"podinfo-canary", "podinfo-primary"}) {
			t.Errorf("asked about %v", got)
		}
	})
	if n := strings.Count(w.log.String(), "releases are judged without some of their callers"); n != 1 {
		t.Errorf("that somebody is silent was said %d times, want once", n)
	}
	w.settle()
	before := l.questions()
	w.clock.Step(time.Minute)
	w.settle()
	if n := l.questions() - before; n > 0 {
		t.Errorf("%d questions after the release", n)
	}
}

// The pods cannot be read, and count nothing anyway: it is the callers who see that nobody answers.
func TestACanaryThatRefusesItsCallersIsRolledBack(t *testing.T) {
	w, l := withLoads(t)
	w.setImage("podinfo:3.1.1")
	w.until("the first step", func() bool { return w.atFirstStep() })
	w.traffic.set(func(f *traffic) { f.deaf = true })
	l.set(func(l *loads) { l.refused["podinfo-canary"] = true })
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	w.until("its traffic is back", func() bool { // the state is written first
		got := podinfoWeights(w.get(virtualRouters, "podinfo"))
		return got != nil && got.Canary == 0
	})
	var said string
	for _, m := range w.canary().Status.Rollout.Metrics {
		if m.Name == canaryv1beta1.MetricRequestSuccessRate {
			said = m.Message
		}
	}
	if !strings.Contains(said, "were seen by callers only") {
		t.Errorf("the status says %q", said)
	}
}

// Pods that cannot be read stay a reason to hold, however content their callers are.
func TestContentCallersDoNotReplaceThePods(t *testing.T) {
	w, _ := withLoads(t)
	w.setImage("podinfo:3.1.1")
	w.until("the first step", func() bool { return w.atFirstStep() })
	w.traffic.set(func(f *traffic) { f.deaf = true })
	for range 90 {
		w.clock.Step(time.Second)
		time.Sleep(15 * time.Millisecond)
	}
	if c := w.condition("StatsUnreachable"); c == nil || !w.atFirstStep() {
		t.Errorf("condition %+v, status %+v", c, w.canary().Status)
	}
}
