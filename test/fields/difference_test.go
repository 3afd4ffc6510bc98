package fields

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		with, without string
		want          []string
	}{
		"nothing":                          {"p: {routes: [{name: a}]}", "p: {routes: [{name: a}]}", nil},
		"a value":                          {"p: {clusters: [{name: a, type: EDS}]}", "p: {clusters: [{name: a, type: STATIC}]}", []string{"p.clusters[a].type"}},
		"a value that one lacks":           {"p: {clusters: [{name: a, type: EDS}]}", "p: {clusters: [{name: a}]}", []string{"p.clusters[a].type"}},
		"a proxy":                          {"p: {}", "q: {}", []string{"p", "q"}},
		"a resource that came":             {"p: {clusters: [{name: a}, {name: b}]}", "p: {clusters: [{name: b}]}", []string{"p.clusters[a]"}},
		"a resource of another name":       {"p: {clusters: [{name: a}]}", "p: {clusters: [{name: b}]}", []string{"p.clusters[a]", "p.clusters[b]"}},
		"an item of another name":          {"p: {routes: [{name: r, hosts: [{name: a, x: 1}]}]}", "p: {routes: [{name: r, hosts: [{name: b, x: 1}]}]}", []string{"p.routes[r].hosts[0].name"}},
		"an item of another name and type": {"p: {l: [{name: l, filters: [{name: a, typed_config: {'@type': A}}]}]}", "p: {l: [{name: l, filters: [{name: b, typed_config: {'@type': B}}]}]}", []string{"p.l[l].filters[a]", "p.l[l].filters[b]"}},
		"an item that came before others":  {"p: {routes: [{name: r, hosts: [{name: a}, {name: b}]}]}", "p: {routes: [{name: r, hosts: [{name: b}]}]}", []string{"p.routes[r].hosts[a]"}},
		"another order":                    {"p: {routes: [{name: r, hosts: [{name: a}, {name: b}]}]}", "p: {routes: [{name: r, hosts: [{name: b}, {name: a}]}]}", []string{"p.routes[r].hosts"}},
		"items without names":              {"p: {routes: [{name: r, h: [{x: 1}, {x: 2}]}]}", "p: {routes: [{name: r, h: [{x: 1}]}]}", []string{"p.routes[r].h[1]"}},
		"items with the same name":         {"p: {routes: [{name: r, h: [{name: a, x: 1}, {name: a, x: 2}]}]}", "p: {routes: [{name: r, h: [{name: a, x: 1}, {name: a, x: 3}]}]}", []string{"p.routes[r].h[1].x"}},
		"plain values":                     {"p: {routes: [{name: r, domains: [a, b]}]}", "p: {routes: [{name: r, domains: [b, a]}]}", []string{"p.routes[r].domains"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Paths(Differences(decode(t, c.with), decode(t, c.without)))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPut(t *testing.T) {
	for name, c := range map[string]struct {
		object, row string
		value       any
		want        string
	}{
		"a field":                        {"{}", "a", 1, "{a: 1}"},
		"a field below what is not yet":  {"{}", "a.b.c", 1, "{a: {b: {c: 1}}}"},
		"a field of the first item":      {"{a: [{b: 1, c: 2}, {b: 3}]}", "a[].b", 4, "{a: [{b: 4, c: 2}, {b: 3}]}"},
		"a field of the first of none":   {"{}", "a[].b", 1, "{a: [{b: 1}]}"},
		"the first item":                 {"{a: [1, 2]}", "a[]", 3, "{a: [3, 2]}"},
		"the first item of none":         {"{}", "a[]", 3, "{a: [3]}"},
		"the values of a map":            {"{a: {x: 1}}", "a.*", map[string]any{"z": 2}, "{a: {z: 2}}"},
		"a field goes":                   {"{a: {b: 1, c: 2}}", "a.b", nil, "{a: {c: 2}}"},
		"a field goes that is not there": {"{}", "a.b", nil, "{}"},
		"the last item goes":             {"{a: [1]}", "a[]", nil, "{}"},
		"the first of two items goes":    {"{a: [1, 2]}", "a[]", nil, "{a: [2]}"},
		"an item's field goes of none":   {"{}", "a[].b", nil, "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			got := decode(t, c.object)
			put(got, c.row, c.value)
			text, err := yaml.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, c.want), decode(t, string(text))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestACaseForEachWordAndValue(t *testing.T) {
	suite, err := Parse([]byte(`
object: VirtualRouter/${p}
under: spec.routes[].${p}Route
each: [{p: http}, {p: grpc}]
places: {host: "front.routes[${p}]"}
given: {a: 1}
cases:
- {row: "x[]", values: [1, 2], given: {b: 2}, envoy: [host.x, other.y]}
`), Meshes)
	if err != nil {
		t.Fatal(err)
	}
	var got []Case
	for _, p := range []string{"http", "grpc"} {
		for _, value := range []any{1.0, 2.0} {
			under := "spec.routes[]." + p + "Route."
			got = append(got, Case{
				Object: "VirtualRouter/" + p, Row: under + "x[]", With: value, Given: map[string]any{under + "a": 1.0, under + "b": 2.0},
				Envoy: []string{"front.routes[" + p + "].x", "other.y"}, Dir: Meshes.Dir,
			})
		}
	}
	if diff := cmp.Diff(got, suite.Cases); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
