// Package fleet simulates many sidecars for benchmarks of the control plane: each is a connection of its own, over TCP
// and TLS, with the token of a pod, and says word for word what a real Envoy was recorded to say. A test records that
// Envoy again and fails if a simulated one would say anything else, so that what the benchmarks measure is not an
// invention of ours.
package fleet
