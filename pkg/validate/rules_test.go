package validate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestRules runs every case of testdata/<rule>. A case is a YAML file: the last document is the object that somebody
// writes, a document of the same kind and name before it is what the object was, and the others are the world.
// A bad case has its findings beside it, as users see them; a good case has none at all.
func TestRules(t *testing.T) {
	cases, _ := filepath.Glob("testdata/[AS]*/*.yaml")
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, path := range cases {
		rule := filepath.Base(filepath.Dir(path))
		t.Run(rule+"/"+strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			f := read(t, path)
			if f.kind.Name == "Mesh" || len(f.world.Meshes) > 0 {
				f.world = f.world.around(f.world.Cluster) // the other cases are too bare for the control plane
			}
			findings := judge(t, f)
			spoke := slices.ContainsFunc(findings, func(f Finding) bool { return f.Rule == rule })
			f.old = f.new
			if denied := Denied(judge(t, f)); len(denied) > 0 && !f.deletes {
				t.Errorf("an update that changes nothing is refused: %v", denied)
			}
			if strings.HasPrefix(filepath.Base(path), "good") {
				if len(findings) > 0 {
					t.Errorf("a good case has findings:\n%s", lines(findings))
				}
				return
			}
			if !spoke {
				t.Errorf("the rule did not speak; findings:\n%s", lines(findings))
			}
			for _, finding := range findings {
				if strings.ContainsAny(finding.Message, "\n\t") {
					t.Errorf("not one line: %q", finding.Message)
				}
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".out.txt", lines(findings))
		})
	}
}

func TestNoGoldenWithoutItsCase(t *testing.T) {
	outs, _ := filepath.Glob("testdata/*/*.out.txt")
	for _, out := range outs {
		stem := strings.TrimSuffix(out, ".out.txt")
		if !exists(stem+".yaml") && !exists(stem+".in.yaml") {
			t.Errorf("%s has no case", out)
		}
	}
}

// TestEveryRuleIsInTheTableAndTested holds table, functions and cases together.
func TestEveryRuleIsInTheTableAndTested(t *testing.T) {
	checks := map[string][]string{} // rule to the kinds that have a function for it
	add := func(kind string, ids []string) {
		for _, id := range ids {
			checks[id] = append(checks[id], kind)
		}
	}
	add("Canary", ids(canaryRules))
	add("MetricTemplate", ids(metricTemplateRules))
	add("AlertProvider", ids(alertProviderRules))
	add("HorizontalPodAutoscaler", ids(hpaRules))
	add("ScaledObject", ids(scaledObjectRules))
	add("Deployment", ids(deploymentRules))
	add("DaemonSet", ids(daemonSetRules))
	add("PodDisruptionBudget", ids(pdbRules))
	add("Service", ids(serviceRules))
	add("Job", ids(jobRules))
	add("CronJob", ids(cronJobRules))
	add("Mesh", ids(meshRules))
	add("VirtualNode", ids(virtualNodeRules))
	add("VirtualService", ids(virtualServiceRules))
	add("VirtualRouter", ids(virtualRouterRules))
	add("VirtualGateway", ids(virtualGatewayRules))
	add("GatewayRoute", ids(gatewayRouteRules))
	add("BackendGroup", ids(backendGroupRules))

	// These speak while a new object is completed, see TestDefault, or when one is deleted, see TestRemoval.
	elsewhere := []string{"AM015", "AM016", "AM017", "AM018"}
	deletions := []string{"SL015", "SL049"}
	for _, rule := range Rules() {
		if slices.Contains(elsewhere, rule.ID) {
			continue
		}
		if slices.Contains(deletions, rule.ID) {
			checks[rule.ID] = rule.Kinds
		}
		want := slices.Sorted(slices.Values(rule.Kinds))
		got := slices.Sorted(slices.Values(checks[rule.ID]))
		if !slices.Equal(got, want) {
			t.Errorf("%s: the table says kinds %v, there are functions for %v", rule.ID, want, got)
		}
		for _, kind := range []string{"good", "bad"} {
			if files, _ := filepath.Glob("testdata/" + rule.ID + "/" + kind + "*.yaml"); len(files) == 0 {
				t.Errorf("%s has no %s case", rule.ID, kind)
			}
		}
		delete(checks, rule.ID)
	}
	for id := range checks {
		t.Errorf("%s is not in the table", id)
	}
	if !slices.IsSortedFunc(rulebook, func(a, b Rule) int { return order(a.ID, b.ID) }) {
		t.Error("the table is not sorted")
	}
}

// order puts our rules before App Mesh's.
func order(a, b string) int {
	if byOrigin := strings.Compare(b[:2], a[:2]); byOrigin != 0 {
		return byOrigin
	}
	return strings.Compare(a, b)
}

func ids[T any](rules []bound[T]) []string {
	var out []string
	for _, rule := range rules {
		out = append(out, rule.id)
	}
	return out
}

// fixture is a case, decoded.
type fixture struct {
	world    World
	kind     Kind
	old, new metav1.Object
	raw      []byte // new, as it came
	deletes  bool
}

// read decodes a case. Comments at its head may say more about it: "place: start" is what is asked when a rollout
// starts, "place: lint" by the command line; "world: complete" that what is not in the case does not exist. In a case
// whose name has "delete" in it the last document is deleted.
func read(t testing.TB, path string) fixture {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("# ")) {
		t.Error("the first line must say why the case exists")
	}
	f := fixture{deletes: strings.Contains(filepath.Base(path), "delete")}
	known := []string{}
	for line := range strings.Lines(string(data)) {
		switch strings.TrimSpace(line) {
		case "# place: start":
			f.world.At = RolloutStart
		case "# place: lint":
			f.world.At = Lint
		case "# world: complete":
			for _, kind := range Kinds() {
				known = append(known, kind.Name)
			}
		}
	}
	index := NewIndex(known...)
	f.world.Cluster = index
	whole := map[mesh.ObjectRef]metav1.Object{}
	docs := bytes.Split(data, []byte("\n---\n"))
	for i, doc := range docs {
		kind, object, raw := decodeStrict(t, doc)
		if i == len(docs)-1 {
			f.kind, f.new, f.raw = kind, object, raw
			if !f.deletes {
				f.old = whole[mesh.ObjectRef{Kind: kind.Name, Namespace: object.GetNamespace(), Name: object.GetName()}]
			}
			continue
		}
		whole[mesh.ObjectRef{Kind: kind.Name, Namespace: object.GetNamespace(), Name: object.GetName()}] = object
		// What is around an object is known as caches keep it.
		_, slim, _ := decodeStrict(t, doc)
		Slim(slim)
		index.Set(kind.Name, slim)
		f.world.add(object)
	}
	return f
}

// add puts into the world what is not found by its relations.
func (w *World) add(object metav1.Object) {
	switch o := object.(type) {
	case *appmeshv1beta2.Mesh:
		w.Meshes = append(w.Meshes, o)
	case *appmeshv1beta2.VirtualGateway:
		w.VirtualGateways = append(w.VirtualGateways, o)
	case *corev1.Namespace:
		w.NamespaceLabels = o.Labels
	}
}

func judge(t *testing.T, f fixture) []Finding {
	t.Helper()
	switch {
	case f.deletes:
		return Deletion(f.kind.Name, f.new, f.world)
	case f.kind.Check == nil:
		t.Fatalf("kind %q has no rules", f.kind.Name)
	}
	return f.kind.Check(f.old, f.new, f.world)
}

// decodeStrict reads a document as a person means it: a field that does not exist is a mistake of the case.
func decodeStrict(t testing.TB, doc []byte) (Kind, metav1.Object, []byte) {
	t.Helper()
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &head); err != nil {
		t.Fatal(err)
	}
	kind, ok := KindOf(head.GroupVersionKind().GroupKind())
	if !ok {
		t.Fatalf("%s %s is no kind of the rulebook", head.APIVersion, head.Kind)
	}
	raw, err := yaml.YAMLToJSON(doc)
	if err != nil {
		t.Fatal(err)
	}
	object, err := kind.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if kind.Check != nil && !bytes.Contains(doc, []byte("futureField")) {
		if err := yaml.UnmarshalStrict(doc, reflect.New(reflect.TypeOf(object).Elem()).Interface()); err != nil {
			t.Fatal(err)
		}
	}
	return kind, object, raw
}

// lines prints findings as people meet them: refusals and warnings.
func lines(findings []Finding) string {
	var b strings.Builder
	for _, finding := range findings {
		fmt.Fprintf(&b, "%s: %s\n", finding.Severity, finding)
	}
	return b.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
