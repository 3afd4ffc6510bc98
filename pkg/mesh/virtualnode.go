package mesh

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// member is a virtual node that belongs to a mesh.
type member struct {
	ref       ObjectRef
	spec      *appmeshv1beta2.VirtualNodeSpec
	mesh      *appmeshv1beta2.Mesh
	name      string
	age       seniority
	listeners []listener
}

// listener is a port of a virtual node. Cluster is empty if callers cannot reach it.
type listener struct {
	port     uint32
	protocol Protocol
	cluster  string
	timeout  Duration
	idle     Duration
	// ownTimeout is set if the user gave the timeout, which then is the callers' too where no route says otherwise.
	ownTimeout bool
	health     *HealthCheck
	outlier    *OutlierDetection
	limits     *Limits
	tls        *ServerTLS
	// closed is set if the listener takes nothing, because it is to take TLS only and has no certificate.
	closed bool
}

// members are the virtual nodes of all meshes.
type members map[ObjectRef]*member

// virtualNodes adds a cluster per listener of every virtual node, and remembers the listeners.
func (b *builder) virtualNodes() members {
	found := members{}
	names, clusters := map[string]*member{}, map[string]ObjectRef{}
	for _, v := range b.bySeniority() {
		ref := refOf(KindVirtualNode, v)
		m := b.memberOf(ref, v.Spec.MeshRef)
		if m == nil {
			continue
		}
		node := &member{
			ref: ref, spec: &v.Spec, mesh: m, age: seniorityOf(ref, &v.ObjectMeta),
			name: memberName(v.Spec.AWSName, ref),
		}
		// Cluster names are made of both, and Envoy would take the second cluster of one name for an update of the first.
		unique := meshName(m) + "\x00" + node.name
		if other := names[unique]; other != nil {
			b.blocked(ref, ReasonNameConflict, field.Duplicate(specPath.Child("awsName"),
				fmt.Sprintf("%s (the name of %s too, which is older; choose another)", node.name, other.ref)))
			continue
		}
		names[unique] = node
		found[ref] = node
		b.enterName(awsName{kind: KindVirtualNode, mesh: meshName(m), name: node.name}, node.age)
		b.nodeListeners(node, clusters)
		b.notHonouredNode(ref, v)
		b.limitNode(ref, v)
	}
	slices.SortFunc(b.model.Clusters, func(x, y Cluster) int { return cmp.Compare(x.Name, y.Name) })
	return found
}

func (b *builder) bySeniority() []*appmeshv1beta2.VirtualNode {
	list := slices.Clone(b.nodeList)
	slices.SortFunc(list, func(x, y *appmeshv1beta2.VirtualNode) int {
		return seniorityOf(refOf(KindVirtualNode, x), &x.ObjectMeta).compare(seniorityOf(refOf(KindVirtualNode, y), &y.ObjectMeta))
	})
	return list
}

// nodeListeners fills in the listeners. clusters holds the names that are taken, by older virtual nodes mostly: two pairs
// of mesh and node can spell the same (a_b and c, a and b_c).
func (b *builder) nodeListeners(node *member, clusters map[string]ObjectRef) {
	base := specPath.Child("listeners")
	for i, l := range node.spec.Listeners {
		path := base.Index(i)
		port, protocol, err := portOf(path.Child("portMapping"), l.PortMapping)
		if err != nil {
			b.blocked(node.ref, ReasonInvalid, err)
			continue
		}
		if slices.ContainsFunc(node.listeners, func(o listener) bool { return o.port == port }) {
			b.blocked(node.ref, ReasonPortConflict, field.Duplicate(path.Child("portMapping", "port"), port))
			continue
		}
		out := listener{port: port, protocol: protocol}
		out.timeout, out.idle, out.ownTimeout = b.listenerTimeout(node.ref, path.Child("timeout"), protocol, l.Timeout)
		out.health = b.healthCheck(node, path.Child("healthCheck"), out, l.HealthCheck)
		out.outlier = b.outlierDetection(node.ref, path.Child("outlierDetection"), l.OutlierDetection)
		out.limits = b.limits(node.ref, path.Child("connectionPool"), protocol, l.ConnectionPool)
		out.tls, out.closed = b.listenerTLS(node.ref, path.Child("tls"), l.TLS)
		if c := b.cluster(node, out); c != nil && clusters[c.Name].Kind != "" {
			b.blocked(node.ref, ReasonNameConflict, field.Duplicate(specPath.Child("awsName"),
				fmt.Sprintf("%s (the name of a cluster of %s too, which is older; choose another)", c.Name, clusters[c.Name])))
		} else if c != nil {
			out.cluster, clusters[c.Name] = c.Name, node.ref
			b.offer(node, out, c)
			b.model.Clusters = append(b.model.Clusters, *c)
		}
		node.listeners = append(node.listeners, out)
	}
	slices.SortFunc(node.listeners, func(a, b listener) int { return cmp.Compare(a.port, b.port) })
	if len(node.listeners) > 0 && !discovers(node.spec.ServiceDiscovery) {
		b.blocked(node.ref, ReasonInvalid, field.Required(specPath.Child("serviceDiscovery"),
			"without it no caller can find the virtual node; give dns.hostname"))
	}
}

func discovers(d *appmeshv1beta2.ServiceDiscovery) bool {
	return d != nil && (d.DNS != nil && d.DNS.Hostname != "" || d.AWSCloudMap != nil)
}

// discoveredHost is the name by which callers find a virtual node, as it was written; empty if there is none.
func discoveredHost(d *appmeshv1beta2.ServiceDiscovery) string {
	if c := cloudMapOf(d); c != nil {
		return c.ServiceName + "." + c.NamespaceName
	}
	if d == nil || d.DNS == nil {
		return ""
	}
	return d.DNS.Hostname
}

// cluster is a listener as its callers see it, or nil if they cannot.
func (b *builder) cluster(node *member, l listener) *Cluster {
	d := node.spec.ServiceDiscovery
	if !discovers(d) {
		return nil
	}
	name := NodeListener{Mesh: meshName(node.mesh), Node: node.name, Protocol: l.protocol, Port: l.port}
	c := &Cluster{
		Name: name.EgressCluster(), Port: l.port, Protocol: l.protocol, Addresses: familyOf(node.mesh),
		HealthCheck: l.health, OutlierDetection: l.outlier, Sources: []ObjectRef{node.ref},
	}
	if found := cloudMapOf(d); found != nil {
		b.checkCloudMap(node, specPath.Child("serviceDiscovery", "awsCloudMap"), found)
		c.Pods = &node.ref
		return c
	}
	path := specPath.Child("serviceDiscovery", "dns", "hostname")
	if !isHostname(d.DNS.Hostname) {
		b.blocked(node.ref, ReasonInvalid, field.Invalid(path, d.DNS.Hostname, "this is not a host name"))
		return nil
	}
	svc, inCluster := b.serviceNamed(d.DNS.Hostname, node.ref.Namespace)
	if b.endpointsKnown(svc, inCluster) {
		if b.services[svc] == nil {
			b.problems = append(b.problems, Problem{Object: node.ref, Reason: ReasonHostNotFound, Transient: true,
				Err: field.Invalid(path, d.DNS.Hostname, fmt.Sprintf("namespace %q has no Service %q; until it has, callers get 503", svc.Namespace, svc.Name))})
		}
		c.Service = &svc
		return c
	}
	c.DNS = &DNS{
		Hostname:  d.DNS.Hostname,
		Endpoints: value(d.DNS.ResponseType) == appmeshv1beta2.DNSResponseTypeEndpoints,
	}
	return c
}

// endpointsKnown says whether the endpoints behind a host name are Kubernetes' to know: those of a Service, even if it is
// not there yet or has none. Only foreign names and an ExternalName go by DNS.
//
// It must not depend on what comes moments later: when a cluster changes from DNS to endpoints while an Envoy starts, it
// waits for the former for ever, and its pod never becomes ready. Nodes, Services and pods are often applied at once.
func (b *builder) endpointsKnown(ref ServiceRef, inCluster bool) bool {
	if svc := b.services[ref]; svc != nil {
		return svc.Spec.Type != corev1.ServiceTypeExternalName
	}
	_, known := b.namespaces[ref.Namespace]
	return inCluster || known && ref.Name != ""
}

func portOf(path *field.Path, m appmeshv1beta2.PortMapping) (uint32, Protocol, *field.Error) {
	if m.Port < 1 || m.Port > 65535 {
		return 0, "", field.Invalid(path.Child("port"), m.Port, "a port is between 1 and 65535")
	}
	switch p := Protocol(m.Protocol); p {
	case HTTP, HTTP2, GRPC, TCP:
		return uint32(m.Port), p, nil
	default:
		return 0, "", field.NotSupported(path.Child("protocol"), p, []Protocol{GRPC, HTTP, HTTP2, TCP})
	}
}
