package mesh

import (
	"cmp"
	"fmt"
	"strings"
)

// ProxyKind says what a proxy is configured by.
type ProxyKind string

// Kinds of proxies.
const (
	// ProxyVirtualNode is a sidecar.
	ProxyVirtualNode ProxyKind = "VirtualNode"
	// ProxyVirtualGateway is a gateway's Envoy.
	ProxyVirtualGateway ProxyKind = "VirtualGateway"
)

// ProxyID names one Envoy configuration. All pods that are bound to the same virtual node or gateway share it.
type ProxyID struct {
	Kind      ProxyKind
	Namespace string
	Name      string
}

// String gives kind/namespace/name.
func (id ProxyID) String() string {
	return string(id.Kind) + "/" + id.Namespace + "/" + id.Name
}

// Compare orders by kind, then namespace, then name.
func (id ProxyID) Compare(other ProxyID) int {
	return cmp.Or(
		cmp.Compare(id.Kind, other.Kind),
		cmp.Compare(id.Namespace, other.Namespace),
		cmp.Compare(id.Name, other.Name),
	)
}

// MarshalText makes a ProxyID one word in YAML.
func (id ProxyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ProxyID) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "/")
	if len(parts) != 3 {
		return fmt.Errorf("proxy %q is not of the form kind/namespace/name", text)
	}
	*id = ProxyID{Kind: ProxyKind(parts[0]), Namespace: parts[1], Name: parts[2]}
	return nil
}
