// Package kind runs the cluster in Docker, by kind, on machines where Docker
// works. It adds what the other way of running has too: metrics-server, and an
// address and a name for Services of type LoadBalancer.
package kind
