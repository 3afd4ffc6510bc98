package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Difference between the original and ours.
type Difference struct {
	// Kind of the object.
	Kind string
	// Path of the field, or a word such as "columns" for what is not a field.
	Path string
	// What differs, in the words of OpenAPI: missing, extra, type, required, enum, minimum, …
	What string
	// Worse says that something that the original accepted or showed is not accepted or shown by ours.
	Worse bool
	// Text for people.
	Text string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s %s: %s", d.Kind, d.Path, d.Text)
}

// Compare lists how ours differs from the original, in the order of paths. Wider is a difference too: it has to be
// meant, so it has to be listed.
func Compare(original, ours *Kind) []Difference {
	var out []Difference
	report := func(path, what string, worse bool, format string, args ...any) {
		out = append(out, Difference{original.Name, path, what, worse, fmt.Sprintf(format, args...)})
	}
	for _, key := range slices.Sorted(maps.Keys(original.About)) {
		if want, got := original.About[key], ours.About[key]; want != got {
			report(key, "about", true, "is %q, expected %q", got, want)
		}
	}
	if !slices.Equal(original.Columns, ours.Columns) {
		report("columns", "columns", true, "are %q, expected %q", ours.Columns, original.Columns)
	}
	for _, path := range slices.Sorted(maps.Keys(original.Fields)) {
		want := original.Fields[path]
		got, ok := ours.Fields[path]
		if !ok {
			report(path, "missing", true, "is missing")
			continue
		}
		if got.Type != want.Type {
			report(path, "type", true, "has type %s, expected %s", got.Type, want.Type)
		}
		if got.Required != want.Required {
			report(path, "required", got.Required, "required is %t, expected %t", got.Required, want.Required)
		}
		out = append(out, compareLimits(original.Name, path, want, got)...)
	}
	for _, path := range slices.Sorted(maps.Keys(ours.Fields)) {
		if _, ok := original.Fields[path]; ok {
			continue
		}
		_, parentKnown := original.Fields[parent(path)]
		worse := ours.Fields[path].Required && parentKnown
		report(path, "extra", worse, "is not in the original (required: %t)", worse)
	}
	return out
}

// parent is the path of the object that holds a field.
func parent(path string) string {
	return path[:max(strings.LastIndex(path, "."), 0)]
}

func compareLimits(kind, path string, want, got Field) []Difference {
	var out []Difference
	keys := map[string]bool{}
	for key := range want.Limits {
		keys[key] = true
	}
	for key := range got.Limits {
		keys[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		w, inWant := want.Limits[key]
		g, inGot := got.Limits[key]
		if inWant == inGot && sameLimit(key, w, g) || meaningless(key, w, g, got.Type) {
			continue
		}
		// A default is never narrower or wider, it is another object that is stored.
		worse := key == "default" || inGot && (!inWant || narrower(key, w, g))
		text := fmt.Sprintf("%s is %q, expected %q", key, g, w)
		if !inGot {
			text = fmt.Sprintf("has no %s, expected %q", key, w)
		}
		out = append(out, Difference{kind, path, key, worse, text})
	}
	return out
}

func sameLimit(key, want, got string) bool {
	if key != "enum" {
		return want == got
	}
	w, g := strings.Split(want, "|"), strings.Split(got, "|")
	slices.Sort(w)
	slices.Sort(g)
	return slices.Equal(w, g)
}

// meaningless says that a limit refuses nothing: formats that the API server does not know, the format that every
// integer has, and an empty minimum.
func meaningless(key, want, got, typ string) bool {
	switch key {
	case "format":
		unknown := want == "string" || want == "url"
		return got == "" && unknown || want == "" && got == "int64" && typ == "integer"
	case "minItems":
		return (want == "" || want == "0") && (got == "" || got == "0")
	}
	return false
}

// narrower says that a limit refuses something that the original accepted.
func narrower(key, want, got string) bool {
	switch {
	case key == "enum":
		allowed := strings.Split(got, "|")
		return slices.ContainsFunc(strings.Split(want, "|"), func(v string) bool { return !slices.Contains(allowed, v) })
	case strings.HasPrefix(key, "min"):
		return number(got) > number(want)
	case strings.HasPrefix(key, "max"):
		return number(got) < number(want)
	}
	return true
}

func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("limit %q is not a number", text))
	}
	return n
}
