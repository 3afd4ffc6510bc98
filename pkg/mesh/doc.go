// Package mesh takes a snapshot of the cluster's objects and gives a Model of the mesh, with the problems that its users
// should know of. It is the first of the three boxes (snapshot, model, Envoy resources) and the only one that knows
// Kubernetes: model.go and names.go are plain data and plain names, so that what reads them needs no cluster either.
//
// Build never fails as a whole. An object, or a part of one, that cannot be served is left out alone and reported as a
// Problem; a field that is accepted but not honoured is a Problem too, never silence.
//
// Everything in a Model is sorted, so that equal clusters give equal models whatever the order of their lists.
package mesh
