package validate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
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
			if f.kind == "Mesh" || len(f.snapshot.Meshes) > 0 {
				f.world.Objects = mesh.ObjectsOf(f.snapshot) // the other cases are too bare for the control plane
			}
			findings := judge(t, f)
			spoke := slices.ContainsFunc(findings, func(f Finding) bool { return f.Rule == rule })
			f.old = f.new
			if denied := Denied(judge(t, f)); len(denied) > 0 {
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
	add("HorizontalPodAutoscaler", ids(hpaRules))
	add("Mesh", ids(meshRules))
	add("VirtualNode", ids(virtualNodeRules))
	add("VirtualService", ids(virtualServiceRules))
	add("VirtualRouter", ids(virtualRouterRules))
	add("VirtualGateway", ids(virtualGatewayRules))
	add("GatewayRoute", ids(gatewayRouteRules))
	add("BackendGroup", ids(backendGroupRules))

	// These speak while a new object is completed, see TestDefault, or when one is deleted, see TestRemoval.
	elsewhere := []string{"AM015", "AM016", "AM017", "AM018"}
	for _, rule := range Rules() {
		if slices.Contains(elsewhere, rule.ID) {
			continue
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
	snapshot mesh.Snapshot
	kind     string
	old, new []byte
}

func read(t *testing.T, path string) fixture {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("# ")) {
		t.Error("the first line must say why the case exists")
	}
	docs := bytes.Split(data, []byte("\n---\n"))
	var f fixture
	last := header(t, docs[len(docs)-1])
	for i, doc := range docs {
		head := header(t, doc)
		switch {
		case i == len(docs)-1:
			f.kind, f.new = head.Kind, doc
			continue
		case head.Kind == last.Kind && head.Namespace == last.Namespace && head.Name == last.Name:
			f.old = doc
		}
		f.world.add(t, head.Kind, doc)
		f.place(t, head.Kind, doc)
	}
	return f
}

func (w *World) add(t *testing.T, kind string, doc []byte) {
	t.Helper()
	switch kind {
	case "Canary":
		w.Canaries = append(w.Canaries, decode[canaryv1beta1.Canary](t, doc))
	case "HorizontalPodAutoscaler":
		w.HPAs = append(w.HPAs, decode[autoscalingv2.HorizontalPodAutoscaler](t, doc))
	case "Mesh":
		w.Meshes = append(w.Meshes, decode[appmeshv1beta2.Mesh](t, doc))
	case "VirtualGateway":
		w.VirtualGateways = append(w.VirtualGateways, decode[appmeshv1beta2.VirtualGateway](t, doc))
	case "Namespace":
		w.NamespaceLabels = decode[metav1.PartialObjectMetadata](t, doc).Labels
	}
}

// place adds an object to what the control plane looks at.
func (f *fixture) place(t *testing.T, kind string, doc []byte) {
	t.Helper()
	switch s := &f.snapshot; kind {
	case "Mesh":
		s.Meshes = append(s.Meshes, decode[appmeshv1beta2.Mesh](t, doc))
	case "VirtualNode":
		s.VirtualNodes = append(s.VirtualNodes, decode[appmeshv1beta2.VirtualNode](t, doc))
	case "VirtualService":
		s.VirtualServices = append(s.VirtualServices, decode[appmeshv1beta2.VirtualService](t, doc))
	case "VirtualRouter":
		s.VirtualRouters = append(s.VirtualRouters, decode[appmeshv1beta2.VirtualRouter](t, doc))
	case "VirtualGateway":
		s.VirtualGateways = append(s.VirtualGateways, decode[appmeshv1beta2.VirtualGateway](t, doc))
	case "GatewayRoute":
		s.GatewayRoutes = append(s.GatewayRoutes, decode[appmeshv1beta2.GatewayRoute](t, doc))
	case "BackendGroup":
		s.BackendGroups = append(s.BackendGroups, decode[appmeshv1beta2.BackendGroup](t, doc))
	case "Namespace":
		s.Namespaces = append(s.Namespaces, decode[corev1.Namespace](t, doc))
	}
}

func judge(t *testing.T, f fixture) []Finding {
	t.Helper()
	switch f.kind {
	case "Canary":
		return call(t, Canary, f)
	case "HorizontalPodAutoscaler":
		return call(t, HorizontalPodAutoscaler, f)
	case "Mesh":
		return call(t, Mesh, f)
	case "VirtualNode":
		return call(t, VirtualNode, f)
	case "VirtualService":
		return call(t, VirtualService, f)
	case "VirtualRouter":
		return call(t, VirtualRouter, f)
	case "VirtualGateway":
		return call(t, VirtualGateway, f)
	case "GatewayRoute":
		return call(t, GatewayRoute, f)
	case "BackendGroup":
		return call(t, BackendGroup, f)
	}
	t.Fatalf("kind %q has no rules", f.kind)
	return nil
}

func call[T any](t *testing.T, rules func(old, new *T, world World) []Finding, f fixture) []Finding {
	t.Helper()
	var old *T
	if f.old != nil {
		old = decode[T](t, f.old)
	}
	return rules(old, decode[T](t, f.new), f.world)
}

func decode[T any](t *testing.T, doc []byte) *T {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict(doc, object); err != nil {
		t.Fatal(err)
	}
	return object
}

func header(t *testing.T, doc []byte) metav1.PartialObjectMetadata {
	t.Helper()
	var head metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(doc, &head); err != nil {
		t.Fatal(err)
	}
	return head
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
