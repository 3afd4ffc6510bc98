package canary

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/test/fields"
	"github.com/sluice-mesh/sluice/test/golden"
)

var root = filepath.Join("..", "..")

// TestEveryFieldHasACase fails on a new field of the API until somebody decides what becomes of it.
func TestEveryFieldHasACase(t *testing.T) {
	table, err := fields.NewTable(root, fields.Releases)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range table.Faults(root) {
		t.Error(fault)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "release-fields.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != table.Page() {
		t.Error("docs/release-fields.md is not what the cases say; run go generate ./test/fields")
	}
}

// usualPlays are the scenes of a release when its case has none of its own: a new version passes all its checks.
var usualPlays = []string{"push podinfo:3.1.1", "at 15s", "at 10m"}

// release is what a world becomes.
type release struct {
	// objects are those that are made for it, by Kind/name.
	objects map[string]any
	// film is what happens in it, line by line.
	film []string
	// says are the fields that it says are not honoured.
	says []string
}

// printedField is a case in a golden file.
type printedField struct {
	Case string `json:"case"`
	// Objects differ at these paths.
	Objects map[string]fields.Difference `json:"objects,omitempty"`
	// Film is where the twins part: the first line that only the one has, and that of the other there.
	Film *fields.Difference `json:"film,omitempty"`
	Says []string           `json:"says,omitempty"`
}

// TestFieldsBecomeWhatTheirCasesSay makes two releases of each case, with its field and without it, and compares what is made,
// what happens, and what is said: testdata/fields/<Kind>.in.yaml -> <Kind>.out.yaml.
func TestFieldsBecomeWhatTheirCasesSay(t *testing.T) {
	files := golden.Files{In: filepath.Join(root, fields.Releases.Dir, "*.in.yaml"), InSuffix: ".in.yaml", Out: filepath.Join(root, fields.Releases.Dir)}
	golden.RunFiles(t, files, func(t *testing.T, in []byte) []byte {
		suite, err := fields.Parse(in, fields.Releases)
		if err != nil {
			t.Fatal(err)
		}
		var all []printedField
		for _, c := range suite.Cases {
			if c.With != nil && c.Does == "" {
				all = append(all, tryField(t, suite.World, c))
			}
		}
		return []byte(printed(t, all))
	})
}

func tryField(t *testing.T, w fields.World, c fields.Case) printedField {
	t.Helper()
	a, b, err := w.Twins(c)
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	with, without := released(t, a, c), released(t, b, c)
	out := printedField{
		Case: c.String(), Objects: fields.Differences(any(with.objects), any(without.objects)), Film: parting(with.film, without.film),
		Says: slices.DeleteFunc(with.says, func(s string) bool { return slices.Contains(without.says, s) }),
	}
	places := map[string]bool{}
	for path := range out.Objects {
		kind, _, _ := strings.Cut(path, "/")
		places[kind] = true
	}
	if out.Film != nil {
		places["film"] = true
	}
	want, got := slices.Sorted(slices.Values(c.Shows)), slices.Sorted(maps.Keys(places))
	if !slices.Equal(want, got) {
		t.Errorf("%s: %s says that these differ:\n  %v\nand these do:\n  [%s]", c, c.File(), want, strings.Join(got, ", "))
	}
	var warnings []string
	if c.Warns != "" {
		warnings = []string{c.Warns}
	}
	if !slices.Equal(warnings, out.Says) {
		t.Errorf("%s: it is said %q, and the case has %q", c, out.Says, warnings)
	}
	return out
}

// parting is where two films part; nil when they are the same.
func parting(with, without []string) *fields.Difference {
	for i := range max(len(with), len(without)) {
		var a, b any
		if i < len(with) {
			a = with[i]
		}
		if i < len(without) {
			b = without[i]
		}
		if a != b {
			return &fields.Difference{With: a, Without: b}
		}
	}
	return nil
}

// released makes the release of a world's Canary.
func released(t *testing.T, w fields.World, c fields.Case) release {
	t.Helper()
	object := named(w, c.Object)
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	canary := &canaryv1beta1.Canary{}
	if err := yaml.UnmarshalStrict(text, canary); err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	r := release{objects: map[string]any{}}
	target := named(w, canary.Spec.TargetRef.Kind+"/"+canary.Spec.TargetRef.Name)
	if target != nil && TargetOf(canary) != nil {
		made(t, r.objects, w, canary, target)
	}
	if canary.Spec.TargetRef.Kind == canaryv1beta1.TargetKindDeployment && target != nil {
		r.film = filmed(t, c, text, []byte(printed(t, target)))
	}
	p := &pass{settings: settings{canary}, st: &canaryv1beta1.CanaryStatus{}}
	r.says = p.unsupported()
	return r
}

// made are the objects of a release in the middle of it.
func made(t *testing.T, out map[string]any, w fields.World, c *canaryv1beta1.Canary, target map[string]any) {
	t.Helper()
	kind := TargetOf(c)
	pods, err := kind.Pods(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	add := func(object any) {
		raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if m, ok := object.(map[string]any); ok {
			raw, err = m, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		name, _ := dig(raw, "metadata")["name"].(string)
		out[fmt.Sprint(raw["kind"], "/", name)] = generic(t, raw)
	}
	for _, node := range VirtualNodes(c, pods) {
		add(node)
	}
	middle := Weights{Primary: 90, Canary: 10}
	if a := (settings{c}).affinity(); a != nil {
		middle.Cookies.Canary = a.CookieName + "=1"
		if a.PrimaryCookieName != "" {
			middle.Cookies.Primary = a.PrimaryCookieName + "=2"
		}
	}
	if StrategyOf(c) == canaryv1beta1.StrategyABTesting {
		middle = Weights{Primary: 100, Matched: 100}
	}
	for _, router := range VirtualRouters(c, pods, middle) {
		add(router)
	}
	for _, service := range VirtualServices(c) {
		add(service)
	}
	if pods.Cloned != nil {
		add(ClonedService(c, pods))
	} else {
		for _, service := range Services(c, pods) {
			add(service)
		}
	}
	add(kind.Primary(c, pods, PrimarySource{Target: target, Template: kind.Content(target), Revision: "0123456789abcdef"}))
	if scaler := ScalerOf(c); scaler != nil {
		if source := named(w, scaler.GroupVersionKind().Kind+"/"+c.Spec.AutoscalerRef.Name); source != nil {
			add(scaler.Primary(c, source, nil))
		}
	}
}

// filmed plays the scenes of a case.
func filmed(t *testing.T, c fields.Case, canary, deployment []byte) []string {
	t.Helper()
	w := newWorld(t, canary, deployment)
	plays := c.Plays
	if len(plays) == 0 {
		plays = usualPlays
	}
	var out []string
	for _, line := range plays {
		w.log("> %s", line)
		if err := w.do(split(line)); err != nil {
			t.Fatalf("%s: %s: %v\n%s", c, line, err, w.timeline.String())
		}
		w.log("%s", w.scene())
	}
	for line := range strings.Lines(w.timeline.String()) {
		if !strings.Contains(line, ReasonUnsupported+": ") { // what is ignored is compared by itself
			out = append(out, strings.TrimRight(line, "\n"))
		}
	}
	return append(out, w.alerts...)
}

// scene is what can be seen of a release at a moment and no event tells.
func (w *world) scene() string {
	st := w.canary.Status
	text := fmt.Sprintf("%s weight=%v failed=%v iterations=%v target=%d finalizers=%v paused=%v", st.Phase, st.CanaryWeight, st.FailedChecks,
		st.Iterations, w.target.Replicas, w.canary.Finalizers, w.scalerPaused)
	if r := st.Rollout; r != nil {
		text += fmt.Sprintf(" why=%q", r.Why)
	}
	if w.router != nil {
		text += fmt.Sprintf(" router=%q", w.router)
	}
	windows := MetricWindow(w.canary, w.now)
	for _, name := range slices.Sorted(maps.Keys(windows)) {
		text += fmt.Sprintf(" window(%s)=%s", name, windows[name].To.Sub(windows[name].From))
	}
	return text
}

// named finds an object of a world; nil when there is none.
func named(w fields.World, ref string) map[string]any {
	kind, name, _ := strings.Cut(ref, "/")
	for _, object := range w {
		if object["kind"] == kind && dig(object, "metadata")["name"] == name {
			return object
		}
	}
	return nil
}

// generic is a value as JSON has it.
func generic(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFilmsWriteTheStatus collects what all the films ever write into the status: each of its fields is among it.
func TestFilmsWriteTheStatus(t *testing.T) {
	rows, err := fields.Rows(root, fields.Releases)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	eachFilm(t, func(_ string, _, after canaryv1beta1.CanaryStatus) { writes(written, "status", generic(t, after)) })
	for _, row := range rows {
		if row.Kind == "Canary" && fields.Below(row.Path, "status") && !written[row.Path] {
			t.Errorf("no film writes %s", row.Path)
		}
		for _, value := range row.Enum {
			if row.Path == "status.phase" && value != "" && !written[row.Path+"="+value] {
				t.Errorf("no film comes to the phase %s", value)
			}
		}
	}
}

// writes notes the paths of a value, as rows have them.
func writes(into map[string]bool, path string, v any) {
	into[path] = true
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			writes(into, path+"."+key, value)
			into[path+".*"] = true
		}
	case []any:
		for _, value := range v {
			writes(into, path+"[]", value)
		}
	default:
		if !reflect.ValueOf(v).IsZero() {
			into[path+"="+fmt.Sprint(v)] = true
		}
	}
}

// TestVersionsOfAutoscalersDoNotMatter: what the cluster serves of a kind is read and written.
func TestVersionsOfAutoscalersDoNotMatter(t *testing.T) {
	for _, version := range []string{"autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v1", ""} {
		c := podinfo()
		c.Spec.AutoscalerRef = &canaryv1beta1.AutoscalerReference{APIVersion: version, Kind: canaryv1beta1.AutoscalerKindHPA, Name: "podinfo"}
		if scaler := ScalerOf(c); scaler == nil || scaler.GroupVersionKind().GroupVersion().String() != "autoscaling/v2" {
			t.Errorf("%q: %v", version, scaler)
		}
	}
}

// TestWhatNeedsNoRemark: a field that is there and asks for nothing is not said to be ignored.
func TestWhatNeedsNoRemark(t *testing.T) {
	for sentence, spec := range map[string]string{
		"the rewrite of the examples": "{service: {rewrite: {uri: /}}}",
		"a prefix, and a name":        "{service: {match: [{name: a, uri: {prefix: /a}}]}}",
	} {
		c := &canaryv1beta1.Canary{}
		if err := yaml.UnmarshalStrict([]byte(spec), &c.Spec); err != nil {
			t.Fatal(err)
		}
		if got := (settings{c}).ignored(); len(got) > 0 {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}
