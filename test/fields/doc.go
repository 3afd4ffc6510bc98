// Package fields reads the cases that say what becomes of every field of the App Mesh API. The tests of pkg/xds prove them.
//
// A row is a field of a kind's CRD, spelled spec.listeners[].timeout.http. A case in pkg/xds/testdata/fields/<Kind>.in.yaml
// gives a row a value, and its twin does not; both worlds become Envoy's configuration, and where these differ stands in
// <Kind>.out.yaml. Each case says which of three things happens:
//
//	envoy:  the row is honoured; the twins' configurations differ in the fields that are named, and in nothing else.
//	warns:  the row does nothing; its owner is told so, in this sentence. when: it does nothing only then.
//	does:   the row works outside of Envoy's configuration; the sentence says what it does, proof names the test that shows it.
//
// Every row needs a case, or
//
//   - rows below it: an object or a list is what its fields and items are;
//   - a case that warns, or does, at a row above it: the sentence is about all that is below.
//
// Every value of an enum is in a case of its row. docs/fields.md is the same data for users:
//
//	go generate ./test/fields
package fields

//go:generate go run ./page ../../docs/fields.md
