package lb

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/test/cluster/hosts"
)

// Range is the addresses that may be given out, both ends included.
type Range struct{ First, Last netip.Addr }

// ParseRange reads "10.0.0.1-10.0.0.9".
func ParseRange(s string) (Range, error) {
	from, to, ok := strings.Cut(s, "-")
	first, err1 := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	if !ok || err1 != nil || err2 != nil || last.Less(first) {
		return Range{}, fmt.Errorf("read the range of addresses %q: write it as FIRST-LAST, such as 10.0.0.1-10.0.0.9", s)
	}
	return Range{First: first, Last: last}, nil
}

func (r Range) contains(a netip.Addr) bool {
	return !a.Less(r.First) && !r.Last.Less(a)
}

// Assignment is what one Service gets.
type Assignment struct {
	Namespace, Name string
	IP              netip.Addr
	Hostname        string
	// Current says whether the Service's status tells so already.
	Current bool
}

// Assign gives every Service that wants one an address. What the statuses say
// is the only memory: addresses stay over restarts of this process and of
// Services' pods. Services that find no free address are left out.
func Assign(services []*corev1.Service, r Range) []Assignment {
	wanting := slices.DeleteFunc(slices.Clone(services), func(s *corev1.Service) bool { return !wants(s) })
	// The oldest first, so that of two that claim one address it keeps it.
	slices.SortFunc(wanting, func(a, b *corev1.Service) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	taken := map[netip.Addr]bool{}
	given := map[*corev1.Service]netip.Addr{}
	for _, s := range wanting {
		if ip, ok := claimed(s, r); ok && !taken[ip] {
			taken[ip], given[s] = true, ip
		}
	}
	var all []Assignment
	next := r.First
	for _, s := range wanting {
		ip, ok := given[s]
		for !ok && r.contains(next) {
			ip, ok = next, !taken[next]
			next = next.Next()
		}
		if ok {
			all = append(all, newAssignment(s, ip))
		}
	}
	return all
}

// wants says whether a Service is ours to serve: one with a class belongs to
// somebody else's implementation.
func wants(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.LoadBalancerClass == nil && s.DeletionTimestamp == nil
}

// claimed is the address that a Service has, or asks for.
func claimed(s *corev1.Service, r Range) (netip.Addr, bool) {
	candidates := []string{s.Spec.LoadBalancerIP}
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		candidates = append(candidates, ingress.IP)
	}
	for _, c := range candidates {
		if ip, err := netip.ParseAddr(c); err == nil && r.contains(ip) {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

func newAssignment(s *corev1.Service, ip netip.Addr) Assignment {
	a := Assignment{Namespace: s.Namespace, Name: s.Name, IP: ip, Hostname: s.Name + "." + s.Namespace + "." + hosts.Domain}
	ingress := s.Status.LoadBalancer.Ingress
	a.Current = len(ingress) == 1 && ingress[0].IP == ip.String() && ingress[0].Hostname == a.Hostname
	return a
}
