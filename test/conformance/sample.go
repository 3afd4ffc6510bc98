package conformance

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sample makes an object of the kind that has every field of its table, lists and maps with one entry each.
// Values are different from one another wherever the limits leave room, so that swapped fields are noticed.
func Sample(kind *Kind) map[string]any {
	s := sampler{kind: kind}
	object := map[string]any{
		"apiVersion": kind.About["apiVersion"],
		"kind":       kind.Name,
		"metadata":   map[string]any{"name": "sample"},
	}
	if kind.About["scope"] == "namespaced" {
		object["metadata"] = map[string]any{"name": "sample", "namespace": "test"}
	}
	for _, name := range []string{"spec", "status"} {
		// Go types always write a spec; an empty status is as good as none.
		if content := s.object(name); name == "spec" || len(content) > 0 {
			object[name] = content
		}
	}
	return object
}

type sampler struct {
	kind *Kind
	n    int
}

func (s *sampler) value(path string) any {
	field := s.kind.Fields[path]
	s.n++
	switch field.Type {
	case "object":
		return s.object(path)
	case "array":
		return []any{s.value(path + "[]")}
	case "boolean":
		return true
	case "integer", "number":
		return s.number(field)
	case "string":
		return s.text(field)
	case "any":
		return "name" + strconv.Itoa(s.n)
	}
	panic(fmt.Sprintf("%s %s: no sample for type %q", s.kind.Name, path, field.Type))
}

func (s *sampler) object(path string) map[string]any {
	object := map[string]any{}
	for _, child := range s.kind.Order {
		name, ok := strings.CutPrefix(child, path+".")
		if !ok || strings.ContainsAny(name, ".[") {
			continue
		}
		key := name
		if name == "*" {
			key = "key"
		}
		object[key] = s.value(child)
	}
	return object
}

func (s *sampler) number(field Field) any {
	low, high := 1.0, math.Inf(1)
	if text, ok := field.Limits["minimum"]; ok {
		low = number(text)
	}
	if text, ok := field.Limits["maximum"]; ok {
		high = number(text)
	}
	// JSON knows one kind of number, and so do the objects that are compared with this one.
	return low + math.Mod(float64(s.n), min(high-low+1, 1000))
}

func (s *sampler) text(field Field) any {
	if enum, ok := field.Limits["enum"]; ok {
		values := strings.Split(strings.TrimPrefix(enum, "|"), "|")
		return values[s.n%len(values)]
	}
	switch {
	case field.Limits["format"] == "date-time":
		return fmt.Sprintf("2026-01-02T03:%02d:%02dZ", s.n/60%60, s.n%60)
	case strings.HasPrefix(field.Limits["pattern"], "^[0-9]+(m|s)"):
		return strconv.Itoa(s.n) + "s"
	}
	return "v" + strconv.Itoa(s.n)
}
