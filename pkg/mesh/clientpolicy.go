package mesh

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// A client policy belongs to the caller, so the TLS of one cluster differs between proxies. What a cluster's callers do
// without a policy is with the cluster; a policy's outcome is with the proxy whose owner wrote it.

// policy is a client policy as it was written, checked once.
type policy struct {
	owner ObjectRef
	path  *field.Path
	// enforce wants TLS whatever the other side offers.
	enforce bool
	// ports that the policy is for, all if empty; and those of them that a backend has.
	ports []int64
	found map[int64]bool
	// certificate that the client shows, if any.
	certificate *Certificate
	// validation of the server; nil if it is not validated.
	validation *Validation
}

// policy converts a client policy; nil if none is written.
func (b *builder) policy(owner ObjectRef, path *field.Path, p *appmeshv1beta2.ClientPolicy) *policy {
	if p == nil || p.TLS == nil {
		return nil
	}
	path = path.Child("tls")
	out := &policy{owner: owner, path: path, enforce: p.TLS.Enforce == nil || *p.TLS.Enforce, ports: p.TLS.Ports, found: map[int64]bool{}}
	if c := p.TLS.Certificate; c != nil {
		certificate, fault := certificateOf(path.Child("certificate"), false, c.File, c.SDS)
		if fault != nil {
			b.blocked(owner, fault.reason, fault.so("servers are shown none"))
		} else {
			out.certificate = certificate
			b.onlyOneWatched(owner, path.Child("certificate"), *certificate)
		}
	}
	validation, fault := validationOf(path.Child("validation"), p.TLS.Validation)
	switch {
	case fault == nil:
		out.validation = validation
	case out.enforce:
		// Trusting everybody would be the opposite of what is asked for.
		out.validation = &Validation{}
		b.blocked(owner, fault.reason, fault.so("nobody is trusted, and connections fail"))
	default:
		b.remark(owner, fault.reason, fault.so("the certificates of servers are not checked"))
	}
	return out
}

// covers says whether the policy is for requests to a port of a virtual service, which the virtual node behind it takes
// on a port of its own. Either will do: who lists a port means to have it protected.
func (p *policy) covers(service, node uint32) bool {
	covered := len(p.ports) == 0
	for _, port := range p.ports {
		if port == int64(service) || port == int64(node) {
			p.found[port], covered = true, true
		}
	}
	return covered
}

// outcome is the TLS of connections to a cluster under the policy; nil is none.
func (p *policy) outcome(c *Cluster, to server) *ClientTLS {
	if c.TLS == nil && !p.enforce {
		return nil
	}
	out := &ClientTLS{ServerName: to.name, Certificate: p.certificate}
	if p.validation != nil {
		v := *p.validation
		switch {
		case len(v.Names) > 0 || v.Trust == nil:
		case to.name == "":
			v.Trust = nil // there is nothing to know the server by
		default:
			v.Names = []string{to.name}
		}
		out.Validation = &v
	}
	return out
}

// policyUse is a port of a virtual service whose connections a policy is for.
type policyUse struct {
	policy *policy
	port   *ServicePort
}

// nodePolicies pairs the backends of a node with their policies: first those that are declared, in their order.
func (b *builder) nodePolicies(node *member, services []*Service) []policyUse {
	var defaults *policy
	if d := node.spec.BackendDefaults; d != nil {
		defaults = b.policy(node.ref, specPath.Child("backendDefaults", "clientPolicy"), d.ClientPolicy)
	}
	if defaults == nil && !slices.ContainsFunc(node.spec.Backends, func(b appmeshv1beta2.Backend) bool { return b.VirtualService.ClientPolicy != nil }) {
		return nil
	}
	own, rank := map[ObjectRef]*policy{}, map[ObjectRef]int{}
	for i, backend := range node.spec.Backends {
		if ref, _, ok := b.backend(node, i); ok {
			own[ref] = b.policy(node.ref, specPath.Child("backends").Index(i).Child("virtualService", "clientPolicy"), backend.VirtualService.ClientPolicy)
			rank[ref] = i - len(node.spec.Backends) // below 0, which is the rank of the backends of groups
		}
	}
	services = slices.Clone(services)
	slices.SortStableFunc(services, func(x, y *Service) int { return cmp.Compare(rank[x.ID], rank[y.ID]) })
	var uses []policyUse
	for _, s := range services {
		p := own[s.ID]
		if p == nil {
			p = defaults
		}
		for i := range s.Ports {
			uses = append(uses, policyUse{policy: p, port: &s.Ports[i]})
		}
	}
	return uses
}

// gatewayPolicies pairs the ports that a gateway's routes lead to with its policy.
func (b *builder) gatewayPolicies(g *gateway) []policyUse {
	if g.spec.BackendDefaults == nil {
		return nil
	}
	p := b.policy(g.ref, specPath.Child("backendDefaults", "clientPolicy"), g.spec.BackendDefaults.ClientPolicy)
	var uses []policyUse
	for _, r := range g.rules {
		for _, l := range g.listeners {
			if port := r.servicePort(l.Port); port != nil && (r.port == 0 || r.port == int64(l.Port)) {
				uses = append(uses, policyUse{policy: p, port: port})
			}
		}
	}
	return uses
}

// clientTLS gives the TLS of the clusters behind uses, where a policy makes it differ from the cluster's. Two policies
// can lead to one cluster, which has one TLS: one that insists on TLS beats one that does not, then the first wins.
func (b *builder) clientTLS(uses []policyUse) []ClusterTLS {
	uses = slices.DeleteFunc(slices.Clone(uses), func(u policyUse) bool { return u.policy == nil })
	slices.SortStableFunc(uses, func(x, y policyUse) int { return cmp.Compare(slack(x.policy), slack(y.policy)) })
	var out []ClusterTLS
	chosen := map[string]*policy{}
	for _, u := range uses {
		for _, c := range b.clustersBehind(u.port) {
			if !u.policy.covers(u.port.Port, c.Port) {
				continue
			}
			tls, first := u.policy.outcome(c, b.servers[c.Name]), chosen[c.Name]
			switch {
			case first == nil:
				chosen[c.Name] = u.policy
				b.checkOffered(u.policy, c)
				if tls != nil && !reflect.DeepEqual(tls, c.TLS) {
					out = append(out, ClusterTLS{Cluster: c.Name, TLS: *tls})
				}
			case first != u.policy && !reflect.DeepEqual(tls, first.outcome(c, b.servers[c.Name])):
				b.blocked(u.policy.owner, ReasonPolicyConflict, field.Invalid(u.policy.path, field.OmitValueType{}, fmt.Sprintf(
					"%s is behind another backend too, and connections to it are made as %s says; let both say the same", c.Sources[0], first.path)))
			}
		}
	}
	for _, u := range uses {
		b.checkPorts(u.policy)
	}
	slices.SortFunc(out, func(x, y ClusterTLS) int { return cmp.Compare(x.Cluster, y.Cluster) })
	return out
}

func slack(p *policy) int {
	if p.enforce {
		return 0
	}
	return 1
}

func (b *builder) clustersBehind(port *ServicePort) []*Cluster {
	var out []*Cluster
	for _, r := range port.Routes {
		for _, name := range r.Clusters() {
			if c := b.model.Cluster(name); c != nil {
				out = append(out, c)
			}
		}
	}
	return out
}

// checkOffered tells of a server that does not offer the TLS on which the policy insists. Connections are made with
// TLS all the same, so that they fail and nothing leaks. A server without a sidecar of ours, and the application behind
// a TCP listener, may well speak TLS themselves.
func (b *builder) checkOffered(p *policy, c *Cluster) {
	if !p.enforce || c.TLS != nil || !b.servers[c.Name].plain {
		return
	}
	b.awaits(p.owner, ReasonTLSNotOffered, field.Invalid(p.path.Child("enforce"), true, fmt.Sprintf(
		"%s takes no TLS on port %d, so connections to it fail; give that listener tls, or set enforce to false", c.Sources[0], c.Port)))
}

// checkPorts tells of ports that no backend has.
func (b *builder) checkPorts(p *policy) {
	for i, port := range p.ports {
		if !p.found[port] {
			b.remark(p.owner, ReasonInvalid, field.Invalid(p.path.Child("ports").Index(i), port, "no backend that the policy is for has this port"))
		}
	}
}
