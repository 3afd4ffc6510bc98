package mesh_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/snapshot"
)

// TestCheckSaysWhatBuildSays holds the two together over every golden snapshot: what Check says of an object Build says
// too, and what Build says beyond it is a conflict with an object that this one does not lead to.
func TestCheckSaysWhatBuildSays(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.in.yaml")
	if len(paths) == 0 {
		t.Fatal("no snapshots")
	}
	checked := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := snapshot.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := mesh.Build(s)
		around := mesh.ObjectsOf(s)
		for ref, object := range mesh.AllOf(around) {
			checked++
			alone := mesh.Check(ref.Kind, object, around)
			for _, p := range alone {
				if !slices.ContainsFunc(problems, func(q mesh.Problem) bool { return q.Compare(p) == 0 }) {
					t.Errorf("%s: %s: Check alone says: %s", path, ref, p.Err)
				}
			}
			for _, p := range problems {
				if p.Object == ref && !needsAll(p, filepath.Base(path)) && !slices.ContainsFunc(alone, func(q mesh.Problem) bool { return q.Compare(p) == 0 }) {
					t.Errorf("%s: %s: Build alone says: %s: %s", path, ref, p.Reason, p.Err)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d objects", checked)
	}
}

// needsAll tells what Check cannot know: conflicts, and what follows from them.
func needsAll(p mesh.Problem, file string) bool {
	if p.Object.Kind == mesh.KindVirtualGateway && p.Reason == mesh.ReasonTLSNotOffered {
		return true // its routes lead to the gateway, and it does not lead to them
	}
	return file == "names.in.yaml" && p.Transient ||
		slices.Contains([]string{mesh.ReasonHostNotFound, mesh.ReasonNameConflict, mesh.ReasonDomainConflict, mesh.ReasonPortConflict}, p.Reason)
}

// TestCheckLooksNoFurther: the backends of a node that a router leads to are not read.
func TestCheckLooksNoFurther(t *testing.T) {
	text, err := os.ReadFile("testdata/flagger-podinfo.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := snapshot.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	counted := &counting{Objects: mesh.ObjectsOf(s)}
	for _, router := range s.VirtualRouters {
		mesh.Check(mesh.KindVirtualRouter, router, counted)
	}
	for ref, n := range counted.asked {
		if ref.Kind != mesh.KindVirtualNode || n > len(s.VirtualRouters) {
			t.Errorf("%s was asked for %d times", ref, n)
		}
	}
	if len(counted.asked) == 0 {
		t.Error("nothing was asked for")
	}
}

type counting struct {
	mesh.Objects
	asked map[mesh.ObjectRef]int
}

func (c *counting) Object(ref mesh.ObjectRef) metav1.Object {
	if c.asked == nil {
		c.asked = map[mesh.ObjectRef]int{}
	}
	c.asked[ref]++
	return c.Objects.Object(ref)
}
