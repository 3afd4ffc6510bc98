package fields

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Difference is a field of Envoy that differs between twins; nil is absence.
type Difference struct {
	With    any `json:"with"`
	Without any `json:"without"`
}

// Differences compares two trees, and gives what differs by path: names with dots, and items of lists in brackets, by name
// if that tells which is which, else by number. A list of plain values is one value.
func Differences(with, without any) map[string]Difference {
	out := map[string]Difference{}
	compare(out, "", with, without)
	return out
}

func compare(out map[string]Difference, path string, with, without any) {
	switch a := with.(type) {
	case map[string]any:
		if b, ok := without.(map[string]any); ok {
			compareMaps(out, path, a, b)
			return
		}
	case []any:
		if b, ok := without.([]any); ok {
			compareLists(out, path, a, b)
			return
		}
	}
	if !reflect.DeepEqual(with, without) {
		out[path] = Difference{With: with, Without: without}
	}
}

func compareMaps(out map[string]Difference, path string, with, without map[string]any) {
	keys := map[string]bool{}
	for key := range with {
		keys[key] = true
	}
	for key := range without {
		keys[key] = true
	}
	for key := range keys {
		below := key
		if path != "" {
			below = path + "." + key
		}
		compare(out, below, with[key], without[key])
	}
}

func compareLists(out map[string]Difference, path string, with, without []any) {
	a, b := names(with), names(without)
	switch {
	case !slices.ContainsFunc(slices.Concat(with, without), isMap):
		if !reflect.DeepEqual(with, without) {
			out[path] = Difference{With: with, Without: without}
		}
	case a == nil || b == nil:
		for i := range max(len(with), len(without)) {
			compare(out, fmt.Sprintf("%s[%d]", path, i), item(with, i), item(without, i))
		}
	default:
		compareNamed(out, path, named{a, with}, named{b, without})
	}
}

// named is a list of items with names of their own.
type named struct {
	names []string
	items []any
}

func compareNamed(out map[string]Difference, path string, with, without named) {
	came, went := with.lacking(without), without.lacking(with)
	if len(came) == 1 && len(went) == 1 && strings.Contains(path, "[") {
		// One in the place of another is the same with another name, unless it is a resource: those are known by it.
		if i := slices.Index(with.names, came[0]); i == slices.Index(without.names, went[0]) && sameType(with.items[i], without.items[i]) {
			compare(out, fmt.Sprintf("%s[%d]", path, i), with.items[i], without.items[i])
			with.names, without.names = slices.Delete(with.names, i, i+1), slices.Delete(without.names, i, i+1)
			with.items, without.items = slices.Delete(slices.Clone(with.items), i, i+1), slices.Delete(slices.Clone(without.items), i, i+1)
		}
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(with.names, without.names)))) {
		compare(out, fmt.Sprintf("%s[%s]", path, name), with.item(name), without.item(name))
	}
	if x, y := with.common(without), without.common(with); !slices.Equal(x, y) {
		out[path] = Difference{With: x, Without: y}
	}
}

func (n named) lacking(other named) []string {
	return slices.DeleteFunc(slices.Clone(n.names), func(name string) bool { return slices.Contains(other.names, name) })
}

func (n named) common(other named) []string {
	return slices.DeleteFunc(slices.Clone(n.names), func(name string) bool { return !slices.Contains(other.names, name) })
}

func (n named) item(name string) any { return item(n.items, slices.Index(n.names, name)) }

func isMap(item any) bool {
	_, ok := item.(map[string]any)
	return ok
}

// sameType says whether the extensions in two items are of one type.
func sameType(a, b any) bool {
	typeOf := func(item any) any {
		config, _ := item.(map[string]any)["typed_config"].(map[string]any)
		return config["@type"]
	}
	return typeOf(a) == typeOf(b)
}

// names of a list's items, or nil if one has none, or if two have the same.
func names(list []any) []string {
	seen := map[string]bool{}
	out := []string{}
	for _, item := range list {
		object, _ := item.(map[string]any)
		name, ok := object["name"].(string)
		if !ok {
			name, ok = object["cluster_name"].(string)
		}
		if !ok || seen[name] {
			return nil
		}
		seen[name] = true
		out = append(out, name)
	}
	return out
}

func item(list []any, i int) any {
	if i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

// Paths of the differences, sorted.
func Paths(differences map[string]Difference) []string {
	return slices.Sorted(maps.Keys(differences))
}
