// Package fields reads the cases that say what becomes of every field of the APIs. The tests of pkg/xds prove those of App
// Mesh's kinds, the tests of pkg/canary those of Flagger's.
//
// A row is a field of a kind's CRD, spelled spec.listeners[].timeout.http. A case in testdata/fields/<Kind>.in.yaml of the
// package gives a row a value, and its twin does not. Both worlds become Envoy's configuration, or a release; where these
// differ stands in <Kind>.out.yaml. Each case says which of these things happens:
//
//	envoy:  the row is honoured; the twins' configurations differ in the fields that are named, and in nothing else.
//	shows:  the row is honoured; the twins' releases differ in the objects that are named, or in the film, and in nothing else.
//	warns:  the row does nothing; its owner is told so, in this sentence. when: it does nothing only then.
//	does:   the row works where neither shows it; the sentence says what it does, proof names the test that shows it.
//
// Every row needs a case, or
//
//   - rows below it: an object or a list is what its fields and items are;
//   - a case that warns, or does, at a row above it: the sentence is about all that is below.
//
// Every value of an enum is in a case of its row. docs/fields.md and docs/release-fields.md are the same data for users:
//
//	go generate ./test/fields
package fields

//go:generate go run ./page ../../docs
