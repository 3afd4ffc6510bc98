package redirect

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// sshPort was never redirected by App Mesh, whatever the settings.
const sshPort = 22

// Settings are what a pod's redirection is told, read.
type Settings struct {
	enabled      bool
	uid          uint32
	gid          *uint32
	ingressPort  uint16
	egressPort   uint16
	appPorts     []PortRange
	ignoredPorts []PortRange
	ignoredIPs   []netip.Prefix
	ipv6         bool
}

// PortRange is first to last, both included.
type PortRange struct{ First, Last uint16 }

func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// The variables of App Mesh's init container.
const (
	varEnabled      = "APPMESH_START_ENABLED"
	varUID          = "APPMESH_IGNORE_UID"
	varGID          = "APPMESH_IGNORE_GID"
	varIngressPort  = "APPMESH_ENVOY_INGRESS_PORT"
	varEgressPort   = "APPMESH_ENVOY_EGRESS_PORT"
	varAppPorts     = "APPMESH_APP_PORTS"
	varIgnoredIPs   = "APPMESH_EGRESS_IGNORED_IP"
	varIgnoredPorts = "APPMESH_EGRESS_IGNORED_PORTS"
	varIPv6         = "APPMESH_ENABLE_IPV6"
)

// annotationOf is where a CNI plugin finds what a variable tells the init container.
var annotationOf = map[string]string{
	varUID:          appmeshv1beta2.AnnotationIgnoredUID,
	varIngressPort:  appmeshv1beta2.AnnotationProxyIngressPort,
	varEgressPort:   appmeshv1beta2.AnnotationProxyEgressPort,
	varAppPorts:     appmeshv1beta2.AnnotationPorts,
	varIgnoredIPs:   appmeshv1beta2.AnnotationEgressIgnoredIPs,
	varIgnoredPorts: appmeshv1beta2.AnnotationEgressIgnoredPorts,
}

// FromEnvironment reads the variables of the init container. It is strict: a pod whose redirection is not what its author
// meant must not start.
func FromEnvironment(getenv func(string) string) (Settings, error) {
	return read(reader{get: getenv, name: func(variable string) string { return variable }})
}

// FromAnnotations reads a pod's annotations as strictly.
func FromAnnotations(annotations map[string]string) (Settings, error) {
	return read(reader{
		get: func(variable string) string {
			if variable != varIPv6 {
				return annotations[annotationOf[variable]]
			}
			if strings.EqualFold(annotations[appmeshv1beta2.AnnotationIPv6], appmeshv1beta2.ValueDisabled) {
				return "0"
			}
			return "1"
		},
		name: func(variable string) string { return "annotation " + annotationOf[variable] },
	})
}

func read(r reader) (Settings, error) {
	s := Settings{
		enabled:      r.onOff(varEnabled, true),
		uid:          r.id(varUID, sluice.ProxyUID),
		ingressPort:  r.port(varIngressPort, sluice.IngressPort),
		egressPort:   r.port(varEgressPort, sluice.EgressPort),
		appPorts:     r.ports(varAppPorts),
		ignoredPorts: append([]PortRange{{sshPort, sshPort}}, r.ports(varIgnoredPorts)...),
		ignoredIPs:   r.prefixes(varIgnoredIPs),
		ipv6:         r.onOff(varIPv6, false),
	}
	if r.get(varGID) != "" {
		gid := r.id(varGID, 0)
		s.gid = &gid
	}
	return s, r.err
}

// reader keeps the first mistake.
type reader struct {
	// get gives what is said instead of a variable, name what the author knows it by.
	get, name func(variable string) string
	err       error
}

func (r *reader) fail(variable, value, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("read %s: %q is not %s", r.name(variable), value, want)
	}
}

func (r *reader) onOff(variable string, fallback bool) bool {
	switch v := strings.TrimSpace(r.get(variable)); v {
	case "":
		return fallback
	case "0", "1":
		return v == "1"
	default:
		r.fail(variable, v, "0 or 1")
		return fallback
	}
}

func (r *reader) id(variable string, fallback uint32) uint32 {
	v := strings.TrimSpace(r.get(variable))
	if v == "" {
		return fallback
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		r.fail(variable, v, "a number")
	}
	return uint32(n)
}

func (r *reader) port(variable string, fallback uint16) uint16 {
	v := strings.TrimSpace(r.get(variable))
	if v == "" {
		return fallback
	}
	p, ok := parsePort(v)
	if !ok {
		r.fail(variable, v, "a port from 1 to 65535")
	}
	return p
}

func (r *reader) ports(variable string) []PortRange {
	var list []PortRange
	for _, item := range r.items(variable) {
		if item == "0" {
			continue // App Mesh's word for "no port"
		}
		text, lastText, isRange := strings.Cut(item, ":")
		if !isRange {
			lastText = text
		}
		first, okFirst := parsePort(text)
		last, okLast := parsePort(lastText)
		if !okFirst || !okLast || first > last {
			r.fail(variable, item, "a port from 1 to 65535, or two as first:last")
			continue
		}
		list = append(list, PortRange{first, last})
	}
	return list
}

func (r *reader) prefixes(variable string) []netip.Prefix {
	var list []netip.Prefix
	for _, item := range r.items(variable) {
		prefix, err := netip.ParsePrefix(item)
		if addr, addrErr := netip.ParseAddr(item); addrErr == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			r.fail(variable, item, "an address or a CIDR")
			continue
		}
		list = append(list, prefix.Masked())
	}
	return list
}

// items splits a comma list and drops what is empty. A list that is too long is a mistake: what reads it may be a
// privileged process of the node, and whoever wrote it is not.
func (r *reader) items(variable string) []string {
	var list []string
	for item := range strings.SplitSeq(r.get(variable), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if len(list) == sluice.MaxRedirectItems {
			r.fail(variable, item, fmt.Sprintf("among the first %d, which is the most that one list may have", sluice.MaxRedirectItems))
			return nil
		}
		list = append(list, item)
	}
	return list
}

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	return uint16(n), err == nil && n > 0
}
