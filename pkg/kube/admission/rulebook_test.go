package admission_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// TestRulebook walks over the cases of every rule that speaks at admission: the world of a case is stored, the last object
// is written or deleted by somebody, and what the API server answers is what the golden of the case says, word for word. A
// good case is answered with nothing. Whoever is stored in spite of a refusal can still be changed otherwise.
func TestRulebook(t *testing.T) {
	c := start(t)
	c.others(t)
	var heard warnings
	s := &stage{cluster: c, heard: &heard, kube: c.as(t, nil, &heard), unjudged: c.as(t, canaryAccount, nil)}
	for _, rule := range validate.Rules() {
		if rule.Speaks&validate.Admission == 0 {
			continue
		}
		cases, err := filepath.Glob("../../validate/testdata/" + rule.ID + "/*.yaml")
		must(t, err)
		var played, shown bool // AM015 to AM018, which have no cases, have tests of their own
		for i, path := range cases {
			name := rule.ID + "/" + strings.TrimSuffix(filepath.Base(path), ".yaml")
			f := readCase(t, path, fmt.Sprintf("%s-%d", strings.ToLower(rule.ID), i))
			if f.elsewhere || unplayable[name] {
				continue
			}
			t.Run(name, func(t *testing.T) {
				played = true
				got := s.play(t, f)
				switch denied := strings.Contains(f.want, "Denied: "); {
				case denied && strings.Contains(got, "Denied: "+byDefinition):
					shown = true // a limit of the definition, which has no id, comes first
				case got != f.want:
					t.Errorf("got\n%s\nwant\n%s", got, f.want)
				case got != "":
					shown = true
				}
				if strings.Contains(got, "Denied: ") && !strings.Contains(got, byDefinition) && !f.deletes && find(f.world, f.last) == nil {
					s.touch(t, f.last)
				}
			})
		}
		if played && !shown {
			t.Errorf("%s speaks at admission, and no case shows it", rule.ID)
		}
	}
}

// unplayable are cases that cannot come about through an API server that asks us.
var unplayable = map[string]bool{
	"SL101/bad-other-mesh": true, // an object belongs to the mesh of its namespace from its creation
	"AM001/good-completed": true, // today's definition wants listeners of the object as it was
	"SL045/bad":            true, // its virtual node is refused in a namespace without a mesh
}

// byDefinition begins what the API server itself refuses.
const byDefinition = "not ours: "

// fixture is a case of the rulebook, in namespaces that no other case has.
type fixture struct {
	world     []*unstructured.Unstructured
	last      *unstructured.Unstructured
	deletes   bool
	elsewhere bool // asked by the command line, or when a rollout starts
	complete  bool // what is not in the case does not exist
	meshed    bool // the case has a mesh
	want      string
}

// readCase reads a case as pkg/validate's own tests do. A namespace of it gets a name of its own wherever it is named.
func readCase(t *testing.T, path, id string) fixture {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	golden, _ := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".out.txt") // a good case has none
	f := fixture{
		deletes:   strings.Contains(filepath.Base(path), "delete"),
		elsewhere: bytes.Contains(raw, []byte("\n# place: ")),
		complete:  bytes.Contains(raw, []byte("\n# world: complete")),
	}
	names := map[string]bool{}
	for _, u := range split(t, raw) {
		if u.GetKind() == "Namespace" {
			names[u.GetName()] = true
		}
		names[u.GetNamespace()] = true
	}
	delete(names, "")
	f.want = ordered(string(golden))
	for name := range names {
		if len(name) > 40 {
			continue // it is long for a reason, and nobody else's
		}
		raw, f.want = []byte(rename(string(raw), name, id)), rename(f.want, name, id)
	}
	docs := split(t, raw)
	f.world, f.last = docs[:len(docs)-1], docs[len(docs)-1]
	slices.SortStableFunc(f.world, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	f.meshed = slices.ContainsFunc(docs, func(u *unstructured.Unstructured) bool { return u.GetKind() == mesh.KindMesh })
	return f
}

// rename gives a namespace a name of its own, in every text but where the word means something else.
func rename(text, name, id string) string {
	hide := strings.NewReplacer("flagger.app", "\x01", "flagger-", "\x02")
	show := strings.NewReplacer("\x01", "flagger.app", "\x02", "flagger-")
	return show.Replace(regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(hide.Replace(text), name+"-"+id))
}

// rank orders what has to be there before the rest.
func rank(u *unstructured.Unstructured) int {
	return slices.Index([]string{mesh.KindVirtualGateway, mesh.KindMesh, "Namespace"}, u.GetKind()) * -1
}

// ordered puts refusals before warnings, as an answer has them.
func ordered(lines string) string {
	all := strings.SplitAfter(lines, "\n")
	slices.SortStableFunc(all, func(a, b string) int {
		return strings.Compare(a[:min(1, len(a))], b[:min(1, len(b))]) // Denied, Warning
	})
	return strings.Join(all, "")
}

// stage is where cases are played, one after the other.
type stage struct {
	*cluster
	heard          *warnings
	kube, unjudged client.Client
}

// play stores the world of a case and gives what the API server says of the last object: the lines of a golden.
func (s *stage) play(t *testing.T, f fixture) string {
	t.Helper()
	s.furnish(t, f)
	before := find(f.world, f.last)
	var refs map[string]any // of the object as it was, in the case
	if before != nil {
		refs = references(before)
	}
	for _, u := range f.world {
		s.put(t, u)
	}
	if f.deletes {
		s.put(t, f.last)
	}
	for _, u := range f.world {
		s.await(t, u)
	}
	measured(t, f.last)
	if before == nil && !f.deletes {
		s.endMesh(t, f.last)
	}
	s.heard.take()
	var err error
	switch {
	case f.deletes:
		s.await(t, f.last)
		err = s.kube.Delete(t.Context(), f.last)
	case before != nil:
		live := get(t, s.kube, before)
		f.last.SetResourceVersion(live.GetResourceVersion())
		for field, ref := range references(f.last) { // what a case leaves as it was stays as it is
			if reflect.DeepEqual(ref, refs[field]) {
				setReference(t, f.last, field, references(live)[field])
			}
		}
		err = s.kube.Update(t.Context(), f.last)
	default:
		for field := range references(f.last) {
			setReference(t, f.last, field, nil)
		}
		err = s.kube.Create(t.Context(), f.last)
	}
	var lines []string
	if err != nil {
		for line := range strings.SplitSeq(refusal(err), "\n") {
			lines = append(lines, "Denied: "+line+"\n")
		}
	}
	if text := s.heard.take(); text != "" {
		for line := range strings.SplitSeq(text, "\n") {
			lines = append(lines, "Warning: "+line+"\n")
		}
	}
	return f.told(lines)
}

// told is what a case could say: one that does not claim to be complete says nothing of what is missing in it, and one
// without a mesh nothing of what the control plane makes of it.
func (f fixture) told(lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		id := ruleOf.FindString(line)
		served := strings.HasPrefix(id, "SL1") && f.last.GroupVersionKind().Group == "appmesh.k8s.aws"
		if strings.HasPrefix(line, "Denied: "+byDefinition) || (f.complete || !validate.Missing(id)) && (f.meshed || !served) || strings.Contains(f.want, line) {
			out.WriteString(line)
		}
	}
	return out.String()
}

var ruleOf = regexp.MustCompile(`\bSL\d{3}\b`)

// furnish makes the namespaces of a case, as an installation has them: those that hold Canaries are labelled. Where the
// case has objects of a mesh and no mesh, there is one.
func (s *stage) furnish(t *testing.T, f fixture) {
	t.Helper()
	all := append(slices.Clone(f.world), f.last)
	made := map[string]bool{}
	for _, u := range all {
		if u.GetKind() == "Namespace" {
			labels := map[string]string{"sluice.dev/canaries": "present"}
			for key, value := range u.GetLabels() {
				labels[key] = value
			}
			u.SetLabels(labels)
			made[u.GetName()] = true
		}
	}
	for _, u := range all {
		if name := u.GetNamespace(); name != "" && !made[name] {
			made[name] = true
			ns := object(t, `{apiVersion: v1, kind: Namespace, metadata: {name: `+name+`, labels: {sluice.dev/canaries: present, mesh: of-the-test}}}`)
			must(t, s.unjudged.Create(t.Context(), ns))
			s.await(t, ns)
		}
	}
	if f.meshed {
		return
	}
	s.put(t, object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: Mesh, metadata: {name: of-the-test}, spec: {namespaceSelector: {matchLabels: {mesh: of-the-test}}}}`))
	if f.last.GetKind() == mesh.KindGatewayRoute {
		s.put(t, in(f.last.GetNamespace(), object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: VirtualGateway, metadata: {name: of-the-test}, spec: {
			namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: `+f.last.GetNamespace()+`}}, listeners: [{portMapping: {port: 8088, protocol: http}}]}}`)))
	}
}

// put stores an object with its status, which has an endpoint of its own. What it belongs to is found by the webhook. An
// object that is on its way out is deleted then. Meshes end with the case.
func (s *stage) put(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	measured(t, u)
	for field := range references(u) {
		setReference(t, u, field, nil)
	}
	status, has := u.Object["status"]
	leaving := u.GetDeletionTimestamp() != nil
	u.SetDeletionTimestamp(nil)
	must(t, s.unjudged.Create(t.Context(), u))
	if has {
		u.Object["status"] = status
		must(t, s.unjudged.Status().Update(t.Context(), u))
	}
	if leaving {
		must(t, s.unjudged.Delete(t.Context(), u))
		u.Object = get(t, s.unjudged, u).Object
	}
	s.endMesh(t, u)
}

// endMesh takes a mesh away when the case is over.
func (s *stage) endMesh(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	if u.GetKind() != mesh.KindMesh {
		return
	}
	t.Cleanup(func() {
		must(t, client.IgnoreNotFound(s.unjudged.Delete(context.Background(), u)))
		s.indexed(t, u, "")
	})
}

// measured gives an autoscaler without metrics one of a container. The API server would give it one of whole pods, of which
// SL011 has something to say.
func measured(t *testing.T, doc *unstructured.Unstructured) {
	t.Helper()
	if _, has, _ := unstructured.NestedSlice(doc.Object, "spec", "metrics"); has || doc.GetKind() != "HorizontalPodAutoscaler" {
		return
	}
	metric := object(t, `{apiVersion: v1, kind: X, spec: {type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: Utilization, averageUtilization: 80}}}}`)
	must(t, unstructured.SetNestedSlice(doc.Object, []any{metric.Object["spec"]}, "spec", "metrics"))
}

// references are what an object of a mesh belongs to, in a case with made-up identities.
func references(u *unstructured.Unstructured) map[string]any {
	out := map[string]any{}
	if u.GroupVersionKind().Group == "appmesh.k8s.aws" && u.GetKind() != mesh.KindMesh {
		for _, field := range []string{"meshRef", "virtualGatewayRef"} {
			out[field], _, _ = unstructured.NestedFieldNoCopy(u.Object, "spec", field)
		}
	}
	return out
}

func setReference(t *testing.T, u *unstructured.Unstructured, field string, ref any) {
	t.Helper()
	if ref == nil {
		unstructured.RemoveNestedField(u.Object, "spec", field)
		return
	}
	must(t, unstructured.SetNestedField(u.Object, ref, "spec", field))
}

// touch stores what was refused, and changes nothing of what it was refused for.
func (s *stage) touch(t *testing.T, refused *unstructured.Unstructured) {
	t.Helper()
	refused.SetResourceVersion("")
	refused.SetUID("")
	if err := s.unjudged.Create(t.Context(), refused); err != nil {
		t.Fatalf("store what was refused: %v", err)
	}
	s.await(t, refused)
	refused.SetAnnotations(map[string]string{"touched": "yes"})
	if err := s.kube.Update(t.Context(), refused); err != nil {
		t.Errorf("an update that makes nothing worse: %v", err)
	}
}

// await waits until the rules know of an object as it is.
func (s *stage) await(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	if !s.answers.Knows(u.GetKind()) {
		return
	}
	s.indexed(t, u, u.GetResourceVersion())
}

// indexed waits until the rules know a version of an object.
func (c *cluster) indexed(t *testing.T, u *unstructured.Unstructured, version string) {
	t.Helper()
	var known string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		known = c.answers.Indexed(mesh.ObjectRef{Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()})
		if known == version {
			return
		}
	}
	t.Fatalf("%s %s/%s is known in version %q, not %q", u.GetKind(), u.GetNamespace(), u.GetName(), known, version)
}

// find gives what an object was.
func find(world []*unstructured.Unstructured, like *unstructured.Unstructured) *unstructured.Unstructured {
	for _, u := range world {
		if u.GetKind() == like.GetKind() && u.GetNamespace() == like.GetNamespace() && u.GetName() == like.GetName() {
			return u
		}
	}
	return nil
}

// others installs the kinds of other projects that rules look at, and allows the webhook to see ConfigMaps and Secrets.
func (c *cluster) others(t *testing.T) {
	t.Helper()
	kube := c.as(t, nil, nil)
	for _, crd := range []string{
		`{group: keda.sh, version: v1alpha1, kind: ScaledObject, plural: scaledobjects}`,
		`{group: autoscaling.k8s.io, version: v1, kind: VerticalPodAutoscaler, plural: verticalpodautoscalers}`,
	} {
		of := object(t, `{apiVersion: v1, kind: X, crd: `+crd+`}`).Object["crd"].(map[string]any)
		mustOnce(t, kube.Create(t.Context(), object(t, fmt.Sprintf(`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: %[4]s.%[1]s, annotations: {api-approved.kubernetes.io: "unapproved, for a test"}}, spec: {
			group: %[1]s, scope: Namespaced, names: {kind: %[3]s, plural: %[4]s}, versions: [{name: %[2]s, served: true, storage: true,
			schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`, of["group"], of["version"], of["kind"], of["plural"]))))
	}
	for _, doc := range documents(t, "../../../config/components/see-configs/rbac.yaml") {
		mustOnce(t, kube.Create(t.Context(), doc))
	}
	eventually(t, "the webhook knows them", func() error {
		for _, kind := range []string{"ScaledObject", "VerticalPodAutoscaler", "ConfigMap", "Secret"} {
			if !c.answers.Knows(kind) {
				return fmt.Errorf("it does not know %s", kind)
			}
		}
		return nil
	})
}

// mustOnce takes what another test has made for made.
func mustOnce(t *testing.T, err error) {
	t.Helper()
	must(t, client.IgnoreAlreadyExists(err))
}
