package validate

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// form is one form of an object: the cases have many objects of one name.
type form struct {
	kind   string
	object metav1.Object
}

// forms are all the objects of all cases.
func forms(t *testing.T) []form {
	t.Helper()
	var out []form
	files, _ := filepath.Glob("testdata/SL*/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(data, []byte("\n---\n")) {
			kind, object, _ := decodeStrict(t, doc)
			out = append(out, form{kind.Name, object})
		}
	}
	return out
}

func allKinds() []string {
	var out []string
	for _, kind := range Kinds() {
		out = append(out, kind.Name)
	}
	return out
}

// TestALedgerMissesNoChange: to judge again only those that a change concerns gives the same as to judge all of them.
func TestALedgerMissesNoChange(t *testing.T) {
	all := forms(t)
	rapid.Check(t, func(t *rapid.T) {
		index := NewIndex(allKinds()...)
		ledger := NewLedger(index, World{})
		kept := map[mesh.ObjectRef][]Judged{}
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			f := rapid.SampledFrom(all).Draw(t, "object")
			ref := mesh.ObjectRef{Kind: f.kind, Namespace: f.object.GetNamespace(), Name: f.object.GetName()}
			var concerned []mesh.ObjectRef
			if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
				concerned = ledger.Delete(ref)
			} else {
				concerned = ledger.Set(f.kind, f.object)
			}
			for _, canary := range concerned {
				delete(kept, canary)
				if judged, there := ledger.Judge(canary); there {
					kept[canary] = judged
				}
			}
			fresh := NewLedger(index, World{})
			want := map[mesh.ObjectRef][]Judged{}
			for _, ref := range index.refs() {
				if judged, there := fresh.Judge(ref); there {
					want[ref] = judged
				}
			}
			if diff := cmp.Diff(want, kept); diff != "" {
				t.Fatalf("after %s, which concerned %v (-all, +concerned):\n%s", ref, concerned, diff)
			}
		}
	})
}

// TestALedgerForgets: what is remembered of a Canary goes with it.
func TestALedgerForgets(t *testing.T) {
	ledger := NewLedger(NewIndex(), World{})
	for _, f := range forms(t) {
		ledger.Set(f.kind, f.object)
	}
	for _, ref := range ledger.index.refs() {
		if ref.Kind == kindCanary {
			ledger.Judge(ref)
			ledger.Delete(ref)
			ledger.Judge(ref)
		}
	}
	if len(ledger.asked)+len(ledger.rests) > 0 {
		t.Errorf("still remembered: %v", slices.Collect(maps.Keys(ledger.rests)))
	}
}

// TestAChangeConcernsFew: what has nothing to do with a Canary does not make anybody judge it again.
func TestAChangeConcernsFew(t *testing.T) {
	index := NewIndex(allKinds()...)
	ledger := NewLedger(index, World{})
	f := read(t, "testdata/SL002/good.yaml")
	for _, ref := range f.world.Cluster.(*Index).refs() {
		ledger.Set(ref.Kind, f.world.Cluster.Object(ref))
	}
	ledger.Set(kindCanary, f.new)
	canary := mesh.ObjectRef{Kind: kindCanary, Namespace: "demo", Name: "podinfo"}
	ledger.Judge(canary)
	change := func(kind, namespace, name string) []mesh.ObjectRef {
		return ledger.Set(kind, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	for _, kind := range []string{kindDeployment, kindHPA, kindService, kindVirtualNode, kindMetricTemplate, kindSecret, kindPDB} {
		if got := change(kind, "demo", "another"); len(got) > 0 {
			t.Errorf("a %s that nobody named concerns %v", kind, got)
		}
	}
	for name, kind := range map[string]string{"podinfo": kindHPA, "podinfo-canary": kindService} {
		if got := change(kind, "demo", name); !slices.Contains(got, canary) {
			t.Errorf("%s %s concerns %v", kind, name, got)
		}
	}
}
