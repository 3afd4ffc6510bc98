// Package certs keeps Sluice's own certificate authority: secrets in, a serving certificate and a trusted bundle out.
//
// The authority and one leaf per process live in Secrets of the system namespace. Every replica of the webhook process
// runs a Keeper; whichever sees first that something is missing or near its end writes it, and the optimistic lock of
// the API server makes the others read that instead. Nobody restarts: the webhook serves from memory, mesh and canary
// read their mounted Secret.
//
//	sluice-ca            tls.crt tls.key  the signer      ca.crt  the bundle: every authority that is still trusted
//	sluice-webhook-tls   tls.crt tls.key  the leaf        ca.crt  a copy of the bundle
//	sluice-mesh-tls      the same
//	sluice-canary-tls    the same
//
// The bundle is kept apart from the signer so that a second authority can be published before anything is signed by it.
// It is rotated when two thirds of its life are over, or when somebody asks:
//
//	kubectl -n sluice-system annotate secret sluice-ca sluice.dev/rotate=now
//
// What is decided (issue.go, policy.go, rotation.go) is pure and takes the time as a value; what talks to Kubernetes is
// the Keeper.
package certs
