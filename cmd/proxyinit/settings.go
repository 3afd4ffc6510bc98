package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// sshPort was never redirected by App Mesh, whatever the settings.
const sshPort = 22

// settings are the environment, read.
type settings struct {
	enabled      bool
	uid          uint32
	gid          *uint32
	ingressPort  uint16
	egressPort   uint16
	appPorts     []portRange
	ignoredPorts []portRange
	ignoredIPs   []netip.Prefix
	ipv6         bool
}

// portRange is first to last, both included.
type portRange struct{ first, last uint16 }

func (r portRange) String() string {
	if r.first == r.last {
		return strconv.Itoa(int(r.first))
	}
	return fmt.Sprintf("%d-%d", r.first, r.last)
}

// readSettings is strict: a pod whose redirection is not what its author meant must not start.
func readSettings(getenv func(string) string) (settings, error) {
	r := reader{getenv: getenv}
	s := settings{
		enabled:      r.onOff("APPMESH_START_ENABLED", true),
		uid:          r.id("APPMESH_IGNORE_UID", sluice.ProxyUID),
		ingressPort:  r.port("APPMESH_ENVOY_INGRESS_PORT", sluice.IngressPort),
		egressPort:   r.port("APPMESH_ENVOY_EGRESS_PORT", sluice.EgressPort),
		appPorts:     r.ports("APPMESH_APP_PORTS"),
		ignoredPorts: append([]portRange{{sshPort, sshPort}}, r.ports("APPMESH_EGRESS_IGNORED_PORTS")...),
		ignoredIPs:   r.prefixes("APPMESH_EGRESS_IGNORED_IP"),
		ipv6:         r.onOff("APPMESH_ENABLE_IPV6", false),
	}
	if getenv("APPMESH_IGNORE_GID") != "" {
		gid := r.id("APPMESH_IGNORE_GID", 0)
		s.gid = &gid
	}
	return s, r.err
}

// reader keeps the first mistake.
type reader struct {
	getenv func(string) string
	err    error
}

func (r *reader) fail(name, value, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("read %s: %q is not %s", name, value, want)
	}
}

func (r *reader) onOff(name string, fallback bool) bool {
	switch v := strings.TrimSpace(r.getenv(name)); v {
	case "":
		return fallback
	case "0", "1":
		return v == "1"
	default:
		r.fail(name, v, "0 or 1")
		return fallback
	}
}

func (r *reader) id(name string, fallback uint32) uint32 {
	v := strings.TrimSpace(r.getenv(name))
	if v == "" {
		return fallback
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		r.fail(name, v, "a number")
	}
	return uint32(n)
}

func (r *reader) port(name string, fallback uint16) uint16 {
	v := strings.TrimSpace(r.getenv(name))
	if v == "" {
		return fallback
	}
	p, ok := parsePort(v)
	if !ok {
		r.fail(name, v, "a port from 1 to 65535")
	}
	return p
}

func (r *reader) ports(name string) []portRange {
	var list []portRange
	for _, item := range items(r.getenv(name)) {
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
			r.fail(name, item, "a port from 1 to 65535, or two as first:last")
			continue
		}
		list = append(list, portRange{first, last})
	}
	return list
}

func (r *reader) prefixes(name string) []netip.Prefix {
	var list []netip.Prefix
	for _, item := range items(r.getenv(name)) {
		prefix, err := netip.ParsePrefix(item)
		if addr, addrErr := netip.ParseAddr(item); addrErr == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			r.fail(name, item, "an address or a CIDR")
			continue
		}
		list = append(list, prefix.Masked())
	}
	return list
}

// items splits a comma list and drops what is empty.
func items(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	return uint16(n), err == nil && n > 0
}
