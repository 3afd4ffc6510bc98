package canary

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// A script is the film of a rollout: testdata/*.txtar holds a canary.yaml, a deployment.yaml and, as the archive's
// comment, one line per scene. The cast is in world_test.go: a small cluster that makes facts true.
//
//	at 30s success=99.5 p99=120ms   the clock moves on; from 30s on the Envoys report this
//	at 60s own=90/2 callers=100/12  or: the pods count 90 requests, 2 failed, and their callers 100, 12 failed; see sides
//	push podinfo:3.1.1              somebody changes the target's image
//	want Progressing weight=10      the state now; also failed= iterations= target= primary= floor= step= why="...",
//	                                and what the router gives the canary: router= and, of an A/B test's requests, matched=;
//	                                mirror= copies, and cookies="..."; and of the continuous judge verdict= says= ticks=
//	event "..."                     was emitted since the last event line that matched; order counts
//	quiet                           no event was emitted since then
//	alert "error: ..."              people were told, since the last alert line that matched; order counts
//	calm                            nobody was told anything since then
//
// More verbs are in the table below. When a script fails, the whole timeline is printed.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, archive, nil)
		})
	}
}

// eachFilm plays all films, and tells of every state that is written in one of them.
func eachFilm(t *testing.T, watch func(film string, before, after canaryv1beta1.CanaryStatus)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		play(t, archive, func(before, after canaryv1beta1.CanaryStatus) { watch(name, before, after) })
	}
}

// play plays a film. watch, unless it is nil, is told of every state that is written, and of the one before.
func play(t *testing.T, archive *txtar.Archive, watch func(before, after canaryv1beta1.CanaryStatus)) {
	w := untouchedWorld(t, file(t, archive, "canary.yaml"), file(t, archive, "deployment.yaml"))
	w.watch = watch
	if err := w.settle(); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(archive.Comment), "\n") {
		line, _, _ = strings.Cut(line, "# ")
		words := split(line)
		if len(words) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		w.log("> %s", strings.TrimSpace(line))
		if err := w.do(words); err != nil {
			t.Fatalf("line %d: %s: %v\n\n%s", i+1, line, err, w.timeline.String())
		}
	}
	if t.Failed() {
		t.Log(w.timeline.String())
	}
}

// do plays one line, and what follows from it.
func (w *world) do(words []string) error {
	if err := w.happens(words); err != nil {
		return err
	}
	switch words[0] {
	case "want", "event", "quiet", "alert", "calm":
		return nil
	}
	return w.settle()
}

// happens plays one line.
func (w *world) happens(words []string) error {
	verbs := map[string]func(args []string) error{
		"at":       w.at,
		"push":     w.push,
		"want":     w.want,
		"event":    w.event,
		"quiet":    w.quiet,
		"alert":    w.alert,
		"calm":     w.calm,
		"spec":     w.spec,                                                                // spec <yaml>: merges into the Canary's spec
		"status":   w.status,                                                              // status <yaml>: merges into the Canary's status
		"hook":     w.hook,                                                                // hook <name> ok | fail "..." | silent | late: with the next scene
		"edit":     func(a []string) error { return w.edit(a[0]) },                        // edit 80: somebody writes the canary's weight into the router
		"crash":    func(a []string) error { w.crash, w.meanwhile = true, a; return nil }, // dies after the next status write, before the facts; crash push x: that happens meanwhile
		"scale":    func(a []string) error { n, err := strconv.Atoi(a[0]); w.target.Replicas = int32(n); return err },
		"wontroll": func(a []string) error { w.target.WontRoll = strings.Join(a, " "); return nil },                           // its controller replaces no pods
		"bye":      func([]string) error { at := metav1.NewTime(w.now); w.canary.DeletionTimestamp = &at; return nil },        // somebody deletes the Canary
		"anew":     w.anew,                                                                                                    // anew podinfo:3.1.1: the Canary was deleted, somebody pushed this, and it was created anew
		"flagger":  w.flagger,                                                                                                 // flagger podinfo:3.1.0: made the primary, which runs this; flagger writes | lease | quiet: whether it lives
		"recreate": func([]string) error { w.target.Recreates = true; return nil },                                            // the target's strategy is Recreate
		"die":      func(a []string) error { n, err := strconv.Atoi(a[0]); w.dieAfter = n; return err },                       // die 3: the process dies after three more writes
		"ask":      w.ask,                                                                                                     // ask promote: alice asks for it
		"annotate": func(a []string) error { w.annotate(AnnotationRequest, strings.ReplaceAll(a[0], "'", "\"")); return nil }, // annotate "{'ask': ...}": a request as somebody wrote it
		"pause":    func([]string) error { w.annotate(AnnotationPaused, "by alice"); return nil },
		"resume":   func([]string) error { delete(w.canary.Annotations, AnnotationPaused); return nil },
		"turn":     w.turn,                                                                     // turn limit=2 running=2 ahead=1: what other Canaries do
		"scaler":   w.scaler,                                                                   // scaler min=2 max=8 | wakes | gone: the target's autoscaler
		"config":   w.config,                                                                   // config configmap/app=1: somebody changes it; config off: no tracking
		"block":    func(a []string) error { w.obs.Blockers = a; return nil },                  // block "sentence": the rulebook objects
		"acks":     func(a []string) error { w.lag = len(a) > 0 && a[0] == "off"; return nil }, // acks off: proxies do not acknowledge
		"writes":   func(a []string) error { w.noWrites = a[0] == "off"; return nil },          // writes off: the router cannot be written
		"restart":  w.restart,                                                                  // another process takes over
		"delete":   func([]string) error { w.target = nil; return nil },                        // somebody deletes the target
	}
	for key, answer := range w.late {
		w.answered(key, answer)
		delete(w.late, key)
	}
	do, ok := verbs[words[0]]
	if !ok {
		return fmt.Errorf("unknown verb %q", words[0])
	}
	return do(words[1:])
}

// at moves the clock. What becomes due on the way sees the old values, what is due at that moment the new ones.
func (w *world) at(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	to := epoch.Add(d)
	for !w.next.IsZero() && w.next.Before(to) {
		if err := w.live(w.next); err != nil {
			return err
		}
		if err := w.settle(); err != nil {
			return err
		}
	}
	if err := w.live(to); err != nil {
		return err
	}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		if err := w.set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// set changes what the cluster is like from now on.
func (w *world) set(key, value string) error {
	var err error
	switch key {
	case "success":
		w.metric(canaryv1beta1.MetricRequestSuccessRate, value)
	case "p99":
		w.metric(canaryv1beta1.MetricRequestDuration, strings.TrimSuffix(value, "ms"))
	case "ready": // pods of the target that are ready: a number, or all
		w.ready, err = pods(value)
	case "primaryready":
		w.primaryReady, err = pods(value)
	case "mesh": // mesh=broken: generated objects are missing
		w.meshBroken = value == "broken"
	case "canary", "primary": // canary=25/50/2: 25 requests a second, 50 % fail and 2 % are slow
		err = w.trial.serves(key, value)
	case "crash": // crash=podinfo-1: a pod of the canary crashes again and again; crash=none
		w.trial.crash = value
	default:
		if side, err := w.sides.set(key, value); side {
			w.obs.Metrics[canaryv1beta1.MetricRequestSuccessRate] = w.sides.measured()
			return err
		}
		if name, ok := strings.CutPrefix(key, "metric:"); ok {
			w.metric(name, value)
			return nil
		}
		return fmt.Errorf("unknown setting %q", key)
	}
	return err
}

func pods(value string) (int32, error) {
	if value == "all" {
		return allPods, nil
	}
	n, err := strconv.Atoi(value)
	return int32(n), err
}

// metric sets a measurement: a number, nodata, unasked, unreachable or error.
func (w *world) metric(name, value string) {
	m := Measurement{Samples: 100}
	switch value {
	case "unasked":
		delete(w.obs.Metrics, name)
		return
	case "nodata":
		m = Measurement{NoData: true}
	case "unreachable":
		m = Measurement{NoData: true, Unreachable: []string{"podinfo-1"}}
	case "error":
		m = Measurement{Err: "connection refused"}
	default:
		m.Value, _ = strconv.ParseFloat(value, 64)
	}
	w.obs.Metrics[name] = m
}

func (w *world) want(args []string) error {
	st := w.canary.Status
	got := map[string]string{
		"weight":     strconv.Itoa(st.CanaryWeight.Int()),
		"iterations": strconv.Itoa(st.Iterations.Int()),
		"failed":     strconv.Itoa(st.FailedChecks.Int()),
		"router":     "none",
		"target":     "none",
		"primary":    "none",
	}
	if w.router != nil {
		got["router"] = strconv.Itoa(w.router.Canary)
		got["matched"] = strconv.Itoa(w.router.Matched)
		got["mirror"] = strconv.Itoa(w.router.Mirror)
		got["cookies"] = w.cookies()
	}
	if w.target != nil {
		got["target"] = strconv.Itoa(int(w.target.Replicas))
	}
	if w.primary != nil {
		got["primary"] = w.image(w.primary.Revision)
	}
	for key, hash := range w.copies {
		got[key] = hash
	}
	got["finalizer"] = strings.Join(w.canary.Finalizers, ",")
	got["scaler"] = map[bool]string{true: "paused", false: "working"}[w.scalerPaused]
	if r := st.Rollout; r != nil {
		got["step"], got["why"] = strconv.Itoa(int(r.Step)), r.Why
		got["floor"] = strconv.Itoa(int(r.MinPrimaryReplicas))
	}
	for _, c := range st.Conditions {
		got[string(c.Type)] = string(c.Status)
	}
	got["asked"] = strconv.Itoa(w.asked)
	got["apex"] = map[bool]string{true: "primary", false: "target"}[w.obs.ApexReady]
	if e := evidenceOf(st); e != nil {
		got["verdict"], got["says"], got["ticks"] = string(e.Verdict), e.Message, strconv.FormatInt(e.Ticks, 10)
	}
	if string(st.Phase) != args[0] {
		return fmt.Errorf("phase is %s", st.Phase)
	}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		if got[key] != value {
			return fmt.Errorf("%s is %q", key, got[key])
		}
	}
	return nil
}

// cookies are those of the router, with their values numbered in the order in which the script saw them.
func (w *world) cookies() string {
	c, st := w.router.Cookies, w.canary.Status
	var out []string
	for _, cookie := range []struct{ kind, router, status string }{
		{"canary", c.Canary, st.SessionAffinityCookie},
		{"primary", c.Primary, st.PrimarySessionAffinityCookie},
		{"expired", c.Expired, st.PreviousSessionAffinityCookie},
	} {
		switch {
		case cookie.router == "":
		case cookie.router != cookie.status:
			out = append(out, cookie.kind+" of another rollout")
		default:
			name, value, _ := strings.Cut(cookie.router, "=")
			if !slices.Contains(w.values, value) {
				w.values = append(w.values, value)
			}
			out = append(out, fmt.Sprintf("%s %s=%d", cookie.kind, name, 1+slices.Index(w.values, value)))
		}
	}
	return strings.Join(out, ", ")
}

func (w *world) event(args []string) error { return consume(&w.unseen, args[0]) }

func (w *world) alert(args []string) error { return consume(&w.alerts, args[0]) }

// consume finds a sentence among those that were said, and forgets the ones before it.
func consume(said *[]string, sentence string) error {
	for i, s := range *said {
		if s == sentence {
			*said = (*said)[i+1:]
			return nil
		}
	}
	return fmt.Errorf("not among:\n  %s", strings.Join(*said, "\n  "))
}

func (w *world) quiet([]string) error { return silent(w.unseen) }

func (w *world) calm([]string) error { return silent(w.alerts) }

func silent(said []string) error {
	if len(said) > 0 {
		return fmt.Errorf("there were:\n  %s", strings.Join(said, "\n  "))
	}
	return nil
}

func (w *world) spec(args []string) error {
	return merge(strings.Join(args, " "), &w.canary.Spec)
}

func (w *world) status(args []string) error {
	return merge(strings.Join(args, " "), &w.canary.Status)
}

// merge applies a merge patch, in YAML: null takes away, and a list is replaced as a whole.
func merge[T any](text string, into *T) error {
	patch, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return err
	}
	old, err := json.Marshal(into)
	if err != nil {
		return err
	}
	merged, err := jsonpatch.MergePatch(old, patch)
	if err != nil {
		return err
	}
	*into = *new(T)
	return json.Unmarshal(merged, into)
}

func (w *world) flagger(args []string) error {
	switch args[0] {
	case "writes":
		at := metav1.NewTime(w.now)
		w.canary.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: FlaggerManager, Time: &at}}
	case "lease":
		w.obs.FlaggerLease = FlaggerLease{Holder: "flagger-0", Until: w.now.Add(time.Minute)}
	default:
		now := w.container()["image"]
		w.container()["image"] = args[0]
		w.inherited = w.hash()
		w.container()["image"] = now
		w.primary.Revision = ""
	}
	return nil
}

// ask is what kubectl sluice does: no two requests have the same time.
func (w *world) ask(args []string) error {
	w.requests++
	r := Request{Ask: canaryv1beta1.CanaryRequest(args[0]), By: "alice", At: w.now.Add(time.Duration(w.requests) * time.Microsecond)}
	text, err := json.Marshal(r)
	w.annotate(AnnotationRequest, string(text))
	return err
}

func (w *world) annotate(key, value string) {
	if w.canary.Annotations == nil {
		w.canary.Annotations = map[string]string{}
	}
	w.canary.Annotations[key] = value
}

func (w *world) anew(args []string) error {
	w.canary.Status, w.canary.DeletionTimestamp, w.canary.Finalizers = canaryv1beta1.CanaryStatus{}, nil, nil
	clear(w.kept)
	return w.push(args)
}

func (w *world) turn(args []string) error {
	w.obs.Turn = Turn{}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		*map[string]*int{"limit": &w.obs.Turn.Limit, "running": &w.obs.Turn.Running, "ahead": &w.obs.Turn.Ahead}[key] = n
	}
	return nil
}

func (w *world) scaler(args []string) error {
	w.obs.Autoscaler, w.obs.AutoscalerMissing = &Autoscaler{Kind: "HorizontalPodAutoscaler", Name: "podinfo"}, false
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "min", "max":
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			replicas := int32(n)
			if w.obs.Autoscaler.MaxReplicas = replicas; key == "min" {
				w.obs.Autoscaler.MinReplicas, w.obs.Autoscaler.MaxReplicas = &replicas, 0
			}
		case "wakes":
			w.obs.Autoscaler.WakesTarget = true
		case "gone":
			w.obs.Autoscaler, w.obs.AutoscalerMissing = nil, true
		}
	}
	return nil
}

func (w *world) config(args []string) error {
	if args[0] == "off" {
		w.configs = nil
		return nil
	}
	if w.configs == nil {
		w.configs = map[string]string{}
	}
	for _, arg := range args {
		key, hash, _ := strings.Cut(arg, "=")
		w.configs[key] = hash
	}
	return nil
}

func (w *world) edit(weight string) error {
	n, err := strconv.Atoi(weight)
	w.router = &Weights{Primary: 100 - n, Canary: n}
	return err
}

func (w *world) hook(args []string) error {
	w.hooks[args[0]] = args[1:]
	return nil
}

// split cuts a line at spaces, except inside double quotes; a quote may follow a key=.
func split(line string) []string {
	var out []string
	var word strings.Builder
	quoted, some := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, some = !quoted, true
		case r == ' ' && !quoted:
			if some {
				out = append(out, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteRune(r)
			some = true
		}
	}
	if some {
		out = append(out, word.String())
	}
	return out
}

// file finds a file of the archive; the two that most scripts share are beside them.
func file(t tb, archive *txtar.Archive, name string) []byte {
	if archive == nil {
		archive = &txtar.Archive{}
	}
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	shared, err := txtar.ParseFile("testdata/shared.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range shared.Files {
		if f.Name == name {
			return f.Data
		}
	}
	t.Fatal("no", name)
	return nil
}
