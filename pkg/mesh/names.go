package mesh

import (
	"strconv"
	"strings"
)

// The names of Envoy's listeners, route tables and clusters are App Mesh's: dashboards, alerts and the canary's gate read
// statistics by them. They are spelled here and nowhere else.

// Listener names of a sidecar. They say 0.0.0.0 in an IPv6 mesh too, as App Mesh's did.
const (
	IngressListenerName = "lds_ingress_0.0.0.0_15000"
	EgressListenerName  = "lds_egress_0.0.0.0_15001"
)

// GatewayListenerName names the listener of a gateway on a port.
func GatewayListenerName(port uint32) string {
	return "lds_ingress_0.0.0.0_" + decimal(port)
}

// IngressRouteName names the route table behind an ingress port, of a sidecar or of a gateway.
func IngressRouteName(protocol Protocol, port uint32) string {
	return "rds_ingress_" + string(protocol) + "_" + decimal(port)
}

// EgressRouteName names the route table behind an egress port.
func EgressRouteName(protocol Protocol, port uint32) string {
	return "rds_egress_" + string(protocol) + "_" + decimal(port)
}

// NodeListener is a listener of a virtual node; Mesh and Node are awsNames.
type NodeListener struct {
	Mesh     string
	Node     string
	Protocol Protocol
	Port     uint32
}

// IngressCluster names the application behind its own sidecar. The canary's gate reads this cluster's counters.
func (l NodeListener) IngressCluster() string { return "cds_ingress_" + l.suffix() }

// EgressCluster names the listener as its callers see it.
func (l NodeListener) EgressCluster() string { return "cds_egress_" + l.suffix() }

func (l NodeListener) suffix() string {
	return l.Mesh + "_" + l.Node + "_" + string(l.Protocol) + "_" + decimal(l.Port)
}

// PassthroughCluster names the cluster of a mesh that sends traffic where it was going anyway.
func PassthroughCluster(mesh string) string { return "cds_egress_" + mesh + "_mesh-allow-all" }

// AmazonCluster names the passthrough cluster for *.amazonaws.com, which DROP_ALL does not stop.
func AmazonCluster(mesh string) string { return "cds_egress_" + mesh + "_amazonaws" }

// SDSCluster is the cluster of every bootstrap through which a proxy asks the secret discovery service of its machine.
const SDSCluster = "static_cluster_sds_unix_socket"

// SecretName is the name by which a proxy asks for a certificate.
func (c Certificate) SecretName() string {
	if c.SDS != "" {
		return c.SDS
	}
	return certificateWord + ":" + word(c.Chain) + ":" + word(c.Key)
}

// SecretName is the name by which a proxy asks for authorities.
func (a Authorities) SecretName() string {
	if a.SDS != "" {
		return a.SDS
	}
	return authoritiesWord + ":" + word(a.File)
}

// SecretNamed reads back which files a secret's name means; neither if it is not one of those that SecretName spells.
func SecretNamed(name string) (*Certificate, *Authorities) {
	parts := strings.Split(name, ":")
	for i := range parts {
		parts[i] = strings.NewReplacer("%25", "%", "%3A", ":").Replace(parts[i])
	}
	switch {
	case len(parts) == 3 && parts[0] == certificateWord:
		return &Certificate{Chain: parts[1], Key: parts[2]}, nil
	case len(parts) == 2 && parts[0] == authoritiesWord:
		return nil, &Authorities{File: parts[1]}
	}
	return nil, nil
}

const certificateWord, authoritiesWord = "certificate", "authorities"

// word spells a path without the separator, so that two pairs of paths never have the same name.
func word(path string) string { return strings.NewReplacer("%", "%25", ":", "%3A").Replace(path) }

func decimal(port uint32) string { return strconv.FormatUint(uint64(port), 10) }
