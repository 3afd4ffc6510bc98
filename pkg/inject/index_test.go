package inject

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

func candidate(name string, selector *metav1.LabelSelector) Candidate {
	return Candidate{Target: Target{Kind: KindVirtualNode, Namespace: "demo", Name: name}, Selector: selector}
}

func labelled(pairs ...string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.MatchLabels[pairs[i]] = pairs[i+1]
	}
	return s
}

func matches(x *Index, podLabels map[string]string) []string {
	names := []string{}
	for _, t := range x.Match(KindVirtualNode, "demo", podLabels) {
		names = append(names, t.Name)
	}
	return names
}

func TestIndexMatch(t *testing.T) {
	exists := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}}}
	tests := map[string]struct {
		selector *metav1.LabelSelector
		labels   map[string]string
		want     []string
	}{
		"no selector selects nothing":                 {nil, map[string]string{"app": "a"}, []string{}},
		"an empty selector selects everything":        {labelled(), nil, []string{"x"}},
		"a label that the pod has":                    {labelled("app", "a"), map[string]string{"app": "a", "v": "1"}, []string{"x"}},
		"one of two labels is not enough":             {labelled("app", "a", "v", "2"), map[string]string{"app": "a", "v": "1"}, []string{}},
		"both labels":                                 {labelled("app", "a", "v", "1"), map[string]string{"app": "a", "v": "1"}, []string{"x"}},
		"an expression alone":                         {exists, map[string]string{"app": "b"}, []string{"x"}},
		"an expression that the pod does not satisfy": {exists, map[string]string{"v": "1"}, []string{}},
		"an equals sign inside a value":               {labelled("a", "b"), map[string]string{"a=b": ""}, []string{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			x := &Index{}
			if err := x.Set(candidate("x", tc.selector)); err != nil {
				t.Fatal(err)
			}
			if got := matches(x, tc.labels); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestIndexKeepsKindsAndNamespacesApart(t *testing.T) {
	x := &Index{}
	for _, c := range []Candidate{
		{Target: Target{Kind: KindVirtualNode, Namespace: "demo", Name: "node"}, Selector: labelled()},
		{Target: Target{Kind: KindVirtualGateway, Namespace: "demo", Name: "gateway"}, Selector: labelled()},
		{Target: Target{Kind: KindVirtualNode, Namespace: "other", Name: "far"}, Selector: labelled()},
	} {
		if err := x.Set(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := matches(x, nil); !slices.Equal(got, []string{"node"}) {
		t.Errorf("got %v", got)
	}
}

// TestIndexIsLikeALoop compares the index, after any changes, with a loop over all selectors.
func TestIndexIsLikeALoop(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "b", "c"})
	labelMap := rapid.MapOfN(word, word, 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		x, all := &Index{}, map[string]map[string]string{}
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			name := fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "name"))
			if rapid.Bool().Draw(t, "delete") {
				x.Delete(KindVirtualNode, "demo", name)
				delete(all, name)
				continue
			}
			all[name] = labelMap.Draw(t, "selector")
			if err := x.Set(candidate(name, &metav1.LabelSelector{MatchLabels: all[name]})); err != nil {
				t.Fatal(err)
			}
		}
		pod := labelMap.Draw(t, "pod")
		want := []string{}
		for name, selector := range all {
			fits := true
			for k, v := range selector {
				have, ok := pod[k]
				fits = fits && ok && have == v
			}
			if fits {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if got := matches(x, pod); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if len(all) == 0 && len(x.drawers) != 0 {
			t.Fatalf("an empty index keeps %d drawers", len(x.drawers))
		}
	})
}
