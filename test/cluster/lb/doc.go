// Package lb gives Services of type LoadBalancer an address and a hostname,
// which on a cloud is the cloud's business: Services come in, their status and
// the host's names go out. kube-proxy does the rest.
package lb
