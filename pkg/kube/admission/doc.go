// Package admission answers the API server: an AdmissionReview in, yes, no or a patch out.
//
// Nothing is decided here. Pods go to pkg/inject, everything else to pkg/validate; this package gathers what these need
// from its caches, and turns what they return into responses, warnings, log lines and counters.
//
// Caches lag behind by milliseconds, and people apply a Mesh and its VirtualNodes in one go. So a refusal that follows
// from what a cache holds is confirmed against the API server before it is given; an acceptance is given at once, since
// the audit and the start of a rollout look again.
//
// Objects are decoded one by one as they arrive: one that cannot be read is counted, logged and left out.
package admission
