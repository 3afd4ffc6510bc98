package mesh

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// BuildEndpoints gives the endpoints of the model's clusters from the Services, EndpointSlices and Pods of a snapshot.
// Nothing else in a model depends on a Pod or an EndpointSlice, so a shell may replace Model.Endpoints alone when only
// those change.
func BuildEndpoints(s Snapshot, m *Model) []Endpoints {
	services := servicesOf(s)
	slicesOf := map[ServiceRef][]*discoveryv1.EndpointSlice{}
	for _, slice := range sorted(s.EndpointSlices) {
		ref := serviceOf(slice)
		slicesOf[ref] = append(slicesOf[ref], slice)
	}
	var pods *instances
	var out []Endpoints
	for _, c := range m.Clusters {
		e := Endpoints{Cluster: c.Name}
		switch {
		case c.Pods != nil:
			if pods == nil {
				pods = instancesOf(s, m)
			}
			e.Addresses = pods.addresses(c)
		case c.Service == nil:
			continue
		case services[*c.Service] != nil:
			e.Addresses = addresses(services[*c.Service], slicesOf[*c.Service], c)
		}
		out = append(out, e)
	}
	return out
}

// addresses lists the pods that are ready. If none is, those that are on their way out but still serve are better than
// an error: so it is in the moment when the last pod of a node moves.
func addresses(svc *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice, c Cluster) []Address {
	family := familyFor(svc, endpointSlices, c.Addresses)
	var ready, leaving []Address
	for _, slice := range endpointSlices {
		if slice.AddressType != family {
			continue
		}
		port, ok := endpointPort(svc, slice, c.Port)
		if !ok {
			continue
		}
		for _, e := range slice.Endpoints {
			for _, ip := range e.Addresses {
				if _, err := netip.ParseAddr(ip); err != nil {
					continue // Envoy would refuse all endpoints with it
				}
				switch {
				case e.Conditions.Ready == nil || *e.Conditions.Ready:
					ready = append(ready, Address{IP: ip, Port: port})
				case value(e.Conditions.Serving) && value(e.Conditions.Terminating):
					leaving = append(leaving, Address{IP: ip, Port: port})
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = leaving
	}
	slices.SortFunc(ready, func(a, b Address) int { return cmp.Or(cmp.Compare(a.IP, b.IP), cmp.Compare(a.Port, b.Port)) })
	return slices.Compact(ready)
}

// familyFor picks one address type: that of the mesh, else the Service's first, else what there is. With both, each pod
// of a dual-stack Service would count twice.
func familyFor(svc *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice, want AddressFamily) discoveryv1.AddressType {
	switch {
	case want != "":
		return discoveryv1.AddressType(want)
	case len(svc.Spec.IPFamilies) > 0:
		return discoveryv1.AddressType(svc.Spec.IPFamilies[0])
	case slices.ContainsFunc(endpointSlices, func(s *discoveryv1.EndpointSlice) bool { return s.AddressType == discoveryv1.AddressTypeIPv4 }):
		return discoveryv1.AddressTypeIPv4
	default:
		return discoveryv1.AddressTypeIPv6
	}
}

// endpointPort is the pods' port for a port of a virtual node: that of the Service's port of the same number, else the
// same number. In a slice, ports of the Service go by their names.
func endpointPort(svc *corev1.Service, slice *discoveryv1.EndpointSlice, port uint32) (uint32, bool) {
	i := slices.IndexFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		return int64(p.Port) == int64(port) && (p.Protocol == "" || p.Protocol == corev1.ProtocolTCP)
	})
	if i < 0 {
		return port, true
	}
	for _, p := range slice.Ports {
		if value(p.Name) == svc.Spec.Ports[i].Name && p.Port != nil && 0 < *p.Port && *p.Port <= 65535 {
			return uint32(*p.Port), true
		}
	}
	// The pods of this slice do not have the port (a named target port that they lack).
	return 0, false
}
