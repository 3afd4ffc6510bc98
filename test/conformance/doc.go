// Package conformance compares what we serve with what App Mesh and Flagger served. It is a module of its own, so
// that the public modules it decodes with stay out of what we ship.
//
// testdata holds the facts about the original CRDs, one line per field: path, type, "required" and limits, separated
// by tabs; "[]" in a path stands for the items of a list and "*" for the values of a map. The facts of App Mesh are
// those of the controller's last release, the facts of Flagger those of 1.43.
//
// Run it with: go -C test/conformance test ./...
package conformance
