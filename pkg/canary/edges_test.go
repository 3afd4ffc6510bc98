package canary

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

var updateEdges = flag.Bool("edges", false, "rewrite testdata/edges.txt")

// edge is a change of phase in one pass.
type edge struct{ from, to canaryv1beta1.CanaryPhase }

func (e edge) String() string {
	from := e.from
	if from == "" {
		from = "(new)"
	}
	return fmt.Sprintf("%s -> %s", from, e.to)
}

// walked are the edges that the films walk, with the films; they are played once.
var walked map[edge][]string

// edges gives them.
func edges(t *testing.T) map[edge][]string {
	t.Helper()
	if walked != nil {
		return walked
	}
	walked = map[edge][]string{}
	eachFilm(t, func(film string, before, after canaryv1beta1.CanaryStatus) {
		if e := (edge{before.Phase, after.Phase}); e.from != e.to && !slices.Contains(walked[e], film) {
			walked[e] = append(walked[e], film)
		}
	})
	return walked
}

// manyFilms are more than it takes to see that an edge is walked.
const manyFilms = 4

// TestEdges holds the state machine as films show it against testdata/edges.txt: every change of phase, and films in which it
// happens. TestLaws fails on a change that none of them shows.
func TestEdges(t *testing.T) {
	edges := edges(t)
	var got strings.Builder
	for _, e := range slices.SortedFunc(maps.Keys(edges), func(a, b edge) int { return strings.Compare(a.String(), b.String()) }) {
		films := edges[e]
		fmt.Fprintf(&got, "%-32s %s\n", e, strings.Join(films[:min(manyFilms, len(films))], " "))
	}
	const file = "testdata/edges.txt"
	if *updateEdges {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-file +films; -edges rewrites it)\n%s", diff)
	}
}
