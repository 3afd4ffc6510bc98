// Package xds takes a mesh.Model and gives the Envoy resources of each of its proxies. It is the last of the three
// boxes (snapshot, model, Envoy resources) and the only one that knows Envoy; it knows nothing of Kubernetes.
// The file of each Envoy noun holds how we use that noun.
package xds
