package canary

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// epoch is second 0 of every script.
var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// allPods stands for however many replicas are wanted.
const allPods = -1

// world is a simulation that can go wrong, and remembers what was said.
type world struct {
	simulation
	template map[string]any
	images   map[string]string // by revision
	now      time.Time
	next     time.Time // when Next wants to be called again

	ready, primaryReady int32
	configs             map[string]string // ConfigMaps and Secrets: key to hash; nil: not tracked
	copies, previous    map[string]string // the primary's, and what they held before
	hooks               map[string][]string
	late                map[string]HookAnswer // answers that come with the next scene, to the check that asked first
	sides               sides
	trial               trial
	values              []string // of cookies, in the order in which scripts saw them

	meshBroken, lag, noWrites, crash bool
	meanwhile                        []string // what happens while the process is away
	dieAfter                         int      // writes until the process dies; 0: it does not

	scalerPaused bool
	inherited    string // the content of a primary that Flagger made

	asked    int // webhooks called so far
	requests int // made by people so far
	unseen   []string
	alerts   []string // severity and message
	timeline strings.Builder
	watch    func(before, after canaryv1beta1.CanaryStatus)
	t        tb
}

// tb is what *testing.T and *rapid.T have in common and a world needs.
type tb interface {
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

func newWorld(t tb, canary, deployment []byte) *world {
	w := untouchedWorld(t, canary, deployment)
	if err := w.settle(); err != nil {
		t.Fatal(err)
	}
	return w
}

// untouchedWorld is one whose Canary nobody has looked at yet.
func untouchedWorld(t tb, canary, deployment []byte) *world {
	w := &world{
		t: t, now: epoch, ready: allPods, primaryReady: allPods,
		simulation: newSimulation(&canaryv1beta1.Canary{}, nil),
		copies:     map[string]string{}, previous: map[string]string{},
		images: map[string]string{}, hooks: map[string][]string{}, late: map[string]HookAnswer{},
	}
	var d struct {
		Metadata struct{ Name string }
		Spec     struct {
			Replicas int32
			Template map[string]any
		}
	}
	for data, into := range map[*[]byte]any{&canary: w.canary, &deployment: &d} {
		if err := yaml.Unmarshal(*data, into); err != nil {
			t.Fatal(err)
		}
	}
	w.template = d.Spec.Template
	w.target = &Workload{Name: d.Metadata.Name, Replicas: d.Spec.Replicas}
	w.target.Revision = w.hash()
	w.metric(canaryv1beta1.MetricRequestSuccessRate, "100")
	w.metric(canaryv1beta1.MetricRequestDuration, "20")
	return w
}

func (w *world) container() map[string]any {
	return w.template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
}

func (w *world) hash() string {
	b, err := json.Marshal(w.template)
	if err != nil {
		w.t.Fatal(err)
	}
	rev := Revision(b)
	w.images[rev] = w.container()["image"].(string)
	return rev
}

func (w *world) image(rev string) string {
	if rev == "" {
		rev = w.inherited
	}
	return w.images[rev]
}

func (w *world) push(args []string) error {
	w.container()["image"] = args[0]
	w.target.Revision = w.hash()
	return nil
}

// look gathers the observation, as the shell does.
func (w *world) look() Observation {
	o := w.simulation.look(w.now)
	if w.primary != nil && w.primary.Revision == "" {
		o.Inherited, o.InheritedSame = w.inherited, w.inherited == w.target.Revision
	}
	if w.primary != nil && w.primary.Revision != "" && Inherits(w.canary, map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationRevision: w.primary.Revision}}}) {
		o.Inherited, o.InheritedSame = w.primary.Revision, w.primary.Revision == w.target.Revision
	}
	o.TrackedConfigs, o.CopiedConfigs = maps.Clone(w.configs), maps.Clone(w.copies)
	for _, seen := range []struct {
		w     *Workload
		ready int32
	}{{o.Target, w.ready}, {o.Primary, w.primaryReady}} {
		if seen.w != nil && seen.ready != allPods {
			seen.w.Ready = min(seen.ready, seen.w.Replicas)
			seen.w.AvailableReplicas = seen.w.Ready
		}
	}
	if w.lag {
		o.WeightsPending = []string{"client-1"}
	}
	o.Evidence = w.trial.gathered(w.canary)
	if w.meshBroken {
		o.MeshReady, o.Missing = false, []string{"VirtualNode podinfo-canary"}
	}
	return o
}

// settle calls Next until nothing changes any more: record, then act.
func (w *world) settle() error {
	for range 50 {
		plan := Next(w.canary, w.look())
		w.check(plan)
		before := w.world()
		w.record(plan)
		changed := w.world() != before
		if w.crash && changed {
			w.crash = false
			w.log("  (crash before the facts)")
			if len(w.meanwhile) > 0 {
				w.log("> %s", strings.Join(w.meanwhile, " "))
				if err := w.happens(w.meanwhile); err != nil {
					return err
				}
			}
			continue
		}
		if changed && w.dies() || w.act(plan.Facts) {
			continue
		}
		for _, e := range plan.Events {
			w.unseen = append(w.unseen, e.Message)
			if a := e.Alert; a != nil {
				w.alerts = append(w.alerts, fmt.Sprintf("%s: %s", a.Severity, a.Message))
			}
			w.log("  %s %s: %s", e.Type, e.Reason, e.Message)
		}
		asked := w.answer(plan.Ask)
		w.next = time.Time{}
		if plan.After > 0 {
			w.next = w.now.Add(plan.After)
		}
		if w.world() == before && !asked && len(plan.Events) == 0 {
			return nil
		}
	}
	return fmt.Errorf("does not settle")
}

// act makes facts true, in their order, and tells whether the process died on the way.
func (w *world) act(facts []Fact) (died bool) {
	for _, f := range facts {
		before := ""
		if w.dieAfter > 0 {
			before = w.world()
		}
		if err := w.make(f); err != nil {
			w.log("  %v", err)
			return false
		}
		if w.dieAfter > 0 && w.world() != before && w.dies() {
			return true
		}
	}
	return false
}

// dies counts a write. A process that dies forgets the answers of webhooks, its events, and what it had measured.
func (w *world) dies() bool {
	if w.dieAfter == 0 {
		return false
	}
	if w.dieAfter--; w.dieAfter > 0 {
		return false
	}
	w.log("  (the process dies after this write)")
	return w.restart(nil) == nil
}

// world prints everything that a watch would report a change of.
func (w *world) world() string {
	text, err := w.print()
	if err != nil {
		w.t.Fatal(err)
	}
	return text + fmt.Sprint(w.copies)
}

// record writes the status the way the API keeps it: what is lost in JSON is lost.
func (w *world) record(plan Plan) {
	before := w.canary.Status
	b, err := json.Marshal(plan.Status)
	if err != nil {
		w.t.Fatal(err)
	}
	w.canary.Status = canaryv1beta1.CanaryStatus{}
	if err := json.Unmarshal(b, &w.canary.Status); err != nil {
		w.t.Fatal(err)
	}
	if w.watch != nil {
		w.watch(before, w.canary.Status)
	}
	if st := w.canary.Status; st.Phase != before.Phase || st.CanaryWeight != before.CanaryWeight || st.FailedChecks != before.FailedChecks {
		w.log("  = %s weight %v failed %v", st.Phase, st.CanaryWeight, st.FailedChecks)
	}
}

// make makes a fact true, unless the script says otherwise.
func (w *world) make(f Fact) error {
	switch f := f.(type) {
	case Weights:
		if w.noWrites {
			return fmt.Errorf("the router cannot be written")
		}
	case Held:
		w.canary.Finalizers = nil
		if f.By {
			w.canary.Finalizers = []string{Finalizer}
		}
		return nil
	case TargetScaler:
		w.scalerPaused = f.Paused
	case TrackedConfigs:
		return w.copyConfigs(f)
	case PrimaryWorkload:
		w.images[f.FromRevision] = w.images[w.kept[f.Name]]
	}
	return w.simulation.make(f)
}

func (w *world) copyConfigs(f TrackedConfigs) error {
	for _, key := range slices.Sorted(maps.Keys(f.Hashes)) {
		hash, before := f.Hashes[key], w.copies[key]
		switch {
		case before == hash:
			continue
		case w.configs[key] != hash && w.previous[key] != hash:
			return fmt.Errorf("%s has moved on from %s", key, hash)
		}
		w.copies[key], w.previous[key] = hash, before
	}
	return nil
}

func (w *world) answer(questions []Question) bool {
	answered := false
	for _, q := range questions {
		words := w.hooks[q.Key]
		switch {
		case q.Metric != nil:
			continue
		case len(words) > 0 && words[0] == "silent":
			continue
		}
		a := HookAnswer{CheckID: q.CheckID}
		if len(words) > 0 && words[0] == "late" {
			if _, underWay := w.late[q.Key]; !underWay {
				w.late[q.Key] = a
			}
			continue
		}
		if len(words) > 1 && words[0] == "fail" {
			a.Err = words[1]
		}
		w.answered(q.Key, a)
		w.log("  ? %s (%s, phase %s)", q.Key, q.Hook.Type, q.Phase)
		answered = true
		w.asked++
	}
	return answered
}

func (w *world) answered(key string, a HookAnswer) {
	if w.obs.Hooks == nil {
		w.obs.Hooks = map[string]HookAnswer{}
	}
	w.obs.Hooks[key] = a
}

// check holds the laws that are true of every plan of every script.
func (w *world) check(plan Plan) {
	for _, law := range broken(w.canary, w.look(), plan) {
		w.t.Errorf("at %s: %s\n%s", w.now.Sub(epoch), law, w.timeline.String())
	}
}

func (w *world) log(format string, args ...any) {
	fmt.Fprintf(&w.timeline, "%6s %s\n", w.now.Sub(epoch), fmt.Sprintf(format, args...))
}
