package canary

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

func TestIndex(t *testing.T) {
	x := newIndex()
	a, b := key("demo", "a"), key("demo", "b")
	x.set(a, []string{"shared", "a", "a"})
	x.set(b, []string{"shared", "b"})
	x.set(key("other", "a"), []string{"shared"})
	if diff := cmp.Diff([]types.NamespacedName{a, b}, x.of(key("demo", "shared"))); diff != "" {
		t.Errorf("both look at it (-want +got):\n%s", diff)
	}
	x.set(a, []string{"a"}) // it stopped looking
	x.remove(b)
	if got := x.of(key("demo", "shared")); len(got) != 0 {
		t.Errorf("nobody looks at it any more: %v", got)
	}
	if diff := cmp.Diff([]types.NamespacedName{a}, x.of(key("demo", "a"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(x.users) != 2 || len(x.names) != 2 {
		t.Errorf("leftovers: %v %v", x.users, x.names)
	}
}
