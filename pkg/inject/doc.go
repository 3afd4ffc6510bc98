// Package inject decides whether a pod gets a proxy and writes the patch that adds it: a pod as JSON, the labels of
// its namespace, an index of virtual nodes and gateways and a Config go in, RFC 6902 operations and warnings come out.
//
// An admission handler reads like this:
//
//	pod, err := inject.Decode(raw, request.Namespace)
//	decision := inject.Decide(pod, namespace.Labels, index, config)
//	if decision.Deny { refuse with decision.Message }
//	patch, err := inject.Patch(pod, decision.Target, config)
//
// Nothing of the pod is re-marshalled and no documents are compared. Only the fields that the steps need are decoded,
// and every change is an operation that a step wrote, so fields that this package has never heard of survive, equal
// input gives equal bytes, and a pod that was patched before gets no operations.
package inject
