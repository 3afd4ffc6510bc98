// Package helm holds the chart to what it promises, with the real helm, in both of its major versions: what it renders is
// what kustomize renders, a real API server takes it, and nothing differs when it is applied again.
//
// It is a module of its own, so that Helm's dependencies are not ours.
package helm
