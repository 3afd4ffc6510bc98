package mesh

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// App Mesh's controller registered the pods of a virtual node with Cloud Map, and callers found those that had the
// virtual node's attributes. There is no Cloud Map any more, but what was registered is known: we look at the pods.

// Pod is what of a pod Cloud Map knew: its labels and addresses, and whether it takes requests.
type Pod struct {
	metav1.ObjectMeta
	IPs []string
	// Ready tells that all its containers are. Its readiness gates do not count: that of App Mesh has nobody who opens it.
	Ready bool
}

// PodOf keeps of a pod what is needed.
func PodOf(p *corev1.Pod) *Pod {
	out := &Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion,
		Labels: p.Labels, DeletionTimestamp: p.DeletionTimestamp,
	}}
	for _, ip := range p.Status.PodIPs {
		out.IPs = append(out.IPs, ip.IP)
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.ContainersReady {
			out.Ready = c.Status == corev1.ConditionTrue
		}
	}
	return out
}

// Same tells whether nothing of a pod changed that is looked at.
func (p *Pod) Same(other *Pod) bool {
	a, b := *p, *other
	a.ResourceVersion, b.ResourceVersion = "", ""
	return reflect.DeepEqual(a, b)
}

// NeedsPods tells whether a virtual node of the snapshot is found by its pods. Otherwise nobody looks at Pods.
func (s Snapshot) NeedsPods() bool {
	return slices.ContainsFunc(s.VirtualNodes, func(v *appmeshv1beta2.VirtualNode) bool {
		return v != nil && cloudMapOf(v.Spec.ServiceDiscovery) != nil
	})
}

// cloudMapOf gives the discovery by Cloud Map, if it is that which counts. A host name counts more.
func cloudMapOf(d *appmeshv1beta2.ServiceDiscovery) *appmeshv1beta2.AWSCloudMapServiceDiscovery {
	if d == nil || d.DNS != nil && d.DNS.Hostname != "" {
		return nil
	}
	return d.AWSCloudMap
}

// Keys of attributes that App Mesh added to each pod.
const (
	attributeIPv4      = "AWS_INSTANCE_IPV4"
	attributeIPv6      = "AWS_INSTANCE_IPV6"
	attributePort      = "AWS_INSTANCE_PORT"
	attributePod       = "k8s.io/pod"
	attributeNamespace = "k8s.io/namespace"
	attributeMesh      = "appmesh.k8s.aws/mesh"
	attributeNode      = "appmesh.k8s.aws/virtualNode"
	attributeRegion    = "REGION"
	attributeZone      = "AVAILABILITY_ZONE"
)

// checkCloudMap tells what of a discovery by Cloud Map leads nowhere.
func (b *builder) checkCloudMap(node *member, path *field.Path, d *appmeshv1beta2.AWSCloudMapServiceDiscovery) {
	b.checkSelector(node.ref, specPath.Child("podSelector"), node.spec.PodSelector)
	for i, a := range d.Attributes {
		b.ignored(node.ref, a.Key == attributeRegion || a.Key == attributeZone, path.Child("attributes").Index(i),
			"pods are not told apart by where they run; label them, and name the label")
	}
	others := slices.ContainsFunc(b.nodeList, func(v *appmeshv1beta2.VirtualNode) bool {
		other := cloudMapOf(v.Spec.ServiceDiscovery)
		return other != nil && v.Spec.PodSelector != nil && serviceInCloudMap(other) == serviceInCloudMap(d)
	})
	if node.spec.PodSelector == nil && !others {
		b.problems = append(b.problems, Problem{Object: node.ref, Reason: ReasonHostNotFound, Transient: true, Err: field.Invalid(
			path.Child("serviceName"), d.ServiceName, "callers find nobody, for the virtual node has no podSelector and no other one has pods of this service; give a podSelector")})
	}
}

// cloudMapService is a service of Cloud Map.
type cloudMapService struct{ namespace, name string }

func serviceInCloudMap(d *appmeshv1beta2.AWSCloudMapServiceDiscovery) cloudMapService {
	return cloudMapService{namespace: d.NamespaceName, name: d.ServiceName}
}

// instances are the pods as Cloud Map would know them.
type instances struct {
	model *Model
	pods  map[string][]*Pod
	nodes map[ObjectRef]*appmeshv1beta2.VirtualNode
	// owners are the virtual nodes that have pods of a service, sorted.
	owners map[cloudMapService][]*appmeshv1beta2.VirtualNode
}

func instancesOf(s Snapshot, m *Model) *instances {
	x := &instances{
		model: m, pods: map[string][]*Pod{}, nodes: map[ObjectRef]*appmeshv1beta2.VirtualNode{},
		owners: map[cloudMapService][]*appmeshv1beta2.VirtualNode{},
	}
	for _, p := range sorted(s.Pods) {
		x.pods[p.Namespace] = append(x.pods[p.Namespace], p)
	}
	for _, v := range sorted(s.VirtualNodes) {
		if d := cloudMapOf(v.Spec.ServiceDiscovery); d != nil {
			x.nodes[refOf(KindVirtualNode, v)] = v
			x.owners[serviceInCloudMap(d)] = append(x.owners[serviceInCloudMap(d)], v)
		}
	}
	return x
}

// addresses lists the pods of the cluster's virtual node that are ready and have its attributes. A virtual node without a
// podSelector has those of the others that name the same service: so it stood for some of their pods, or for all. As
// with a Service, pods on their way out are better than nobody.
func (x *instances) addresses(c Cluster) []Address {
	node := x.nodes[*c.Pods]
	if node == nil {
		return nil
	}
	want := node.Spec.ServiceDiscovery.AWSCloudMap
	owners := []*appmeshv1beta2.VirtualNode{node}
	if node.Spec.PodSelector == nil {
		owners = x.owners[serviceInCloudMap(want)]
	}
	var ready, leaving []Address
	for _, owner := range owners {
		selector, err := metav1.LabelSelectorAsSelector(owner.Spec.PodSelector)
		served := x.model.Node(ProxyID{Kind: ProxyVirtualNode, Namespace: owner.Namespace, Name: owner.Name})
		if err != nil || served == nil {
			continue
		}
		for _, pod := range x.pods[owner.Namespace] {
			i := instance{pod: pod, owner: owner, node: served}
			ip := i.address(c.Addresses)
			if !pod.Ready || ip == "" || !selector.Matches(labels.Set(pod.Labels)) || !i.has(want.Attributes) {
				continue
			}
			if pod.DeletionTimestamp == nil {
				ready = append(ready, Address{IP: ip, Port: c.Port})
			} else {
				leaving = append(leaving, Address{IP: ip, Port: c.Port})
			}
		}
	}
	if len(ready) == 0 {
		ready = leaving
	}
	slices.SortFunc(ready, func(a, b Address) int { return cmp.Compare(a.IP, b.IP) })
	return slices.Compact(ready)
}

// instance is a pod as a virtual node registered it.
type instance struct {
	pod   *Pod
	owner *appmeshv1beta2.VirtualNode
	node  *Node
}

// address is the pod's own first one, or the first of the family that the mesh wants.
func (i instance) address(family AddressFamily) string {
	for _, text := range i.pod.IPs {
		ip, err := netip.ParseAddr(text)
		if err == nil && (family == "" || (family == IPv6) == ip.Is6()) {
			return text
		}
	}
	return ""
}

func (i instance) has(attributes []appmeshv1beta2.AWSCloudMapInstanceAttribute) bool {
	return !slices.ContainsFunc(attributes, func(a appmeshv1beta2.AWSCloudMapInstanceAttribute) bool {
		return !i.hasOne(a.Key, a.Value)
	})
}

// hasOne looks an attribute up. App Mesh's own keys cannot be taken; a label says more about a pod than what its virtual
// node says of all its pods.
func (i instance) hasOne(key, want string) bool {
	switch key {
	case attributeIPv4:
		return i.address(IPv4) == want
	case attributeIPv6:
		return i.address(IPv6) == want
	case attributePort:
		listeners := i.owner.Spec.Listeners
		return len(listeners) > 0 && strconv.FormatInt(listeners[0].PortMapping.Port, 10) == want
	case attributePod:
		return i.pod.Name == want
	case attributeNamespace:
		return i.pod.Namespace == want
	case attributeMesh:
		return i.node.Mesh == want
	case attributeNode:
		return i.node.Name == want
	case attributeRegion, attributeZone:
		return true
	}
	if label, ok := i.pod.Labels[key]; ok {
		return label == want
	}
	return slices.Contains(i.owner.Spec.ServiceDiscovery.AWSCloudMap.Attributes, appmeshv1beta2.AWSCloudMapInstanceAttribute{Key: key, Value: want})
}
