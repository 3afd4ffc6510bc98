package validate

import (
	"fmt"
	"slices"
	"strings"

	strictjson "sigs.k8s.io/json"
)

// UnknownFields returns a warning for each field of an object that its type does not know, save those that it had
// before. Our definitions keep unknown fields, as the original's did, so the API server does not say a word about a
// misspelt one: this does. T is the type of the object; raw that is not an object of T gives no warning, since
// whoever decodes it refuses it.
func UnknownFields[T any](old, raw []byte) []string {
	before := unknownFields[T](old)
	var warnings []string
	for _, path := range unknownFields[T](raw) {
		if !slices.Contains(before, path) {
			warnings = append(warnings, fmt.Sprintf("%s: unknown field: it is kept, but nothing reads it; check its spelling and its place", path))
		}
	}
	return warnings
}

// unknownFields lists paths in the order in which they stand in the object.
func unknownFields[T any](raw []byte) []string {
	if len(raw) == 0 {
		return nil
	}
	problems, err := strictjson.UnmarshalStrict(raw, new(T), strictjson.DisallowUnknownFields)
	if err != nil {
		return nil
	}
	var paths []string
	for _, p := range problems {
		if path, ok := strings.CutPrefix(p.Error(), "unknown field "); ok {
			paths = append(paths, strings.Trim(path, `"`))
		}
	}
	return paths
}
