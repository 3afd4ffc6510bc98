// Package mesh is the shell of the control plane: objects of the cluster go in, published proxy configuration, status
// conditions, events and the sluice-proxy ConfigMaps come out.
//
//	watch -> debounce -> snapshot -> mesh.Build -> xds.Translate -> Publish        every replica
//	                                      |
//	                                      +-> conditions, events, ConfigMaps       the Lease holder only
//	what App Mesh left -> findLeftovers --+-> finalizers, readiness gates
//	pods without our proxy -> findNaked --+-> events of the pods
//
// It decides nothing about the mesh: what a snapshot means is pkg/mesh, what Envoy gets is pkg/xds, and the small
// choices of its own (when to rebuild, what a patch holds, which namespaces get a ConfigMap, whether a token is good)
// are pure functions in files of their own.
package mesh
