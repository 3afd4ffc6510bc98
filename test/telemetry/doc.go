// Package telemetry holds what people look at to what they see: the configuration of Prometheus, the rules and the boards of
// config/components go in, a real Prometheus scrapes real Envoys with traffic and our own processes while they work, and
// every query of every panel has to return data.
//
// There is no kubelet: pods are objects of a real API server whose addresses are on the loopback interface.
package telemetry
