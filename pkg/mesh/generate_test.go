package mesh_test

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Small pools, so that references meet and names clash; and what nobody should write.
var (
	names     = rapid.SampledFrom([]string{"a", "b", "c"})
	spaces    = rapid.SampledFrom([]string{"n1", "n2"})
	usual     = rapid.SampledFrom([]string{"a.n1", "b.n1.svc.cluster.local", "example.com", "www.example.com", "x"})
	odd       = rapid.OneOf(usual, rapid.SampledFrom([]string{"", " ", "a\nb", "\x00", "*", "**", "*.", "*.example.com", "a.n1.", "A.n1", "é", "[", "/", "/x/", "//", ".", "..", "a_c", "c"}))
	paths     = rapid.SampledFrom([]string{"/", "/", "/a", "/a/", "/a/b", "/.*", "/(a|b)", "//", "", "a", "/\n", "[", "/é", "/\\x{7f0}", "/[^/]{900}", "/" + strings.Repeat("[^/]{1000}", 24)})
	ports     = rapid.SampledFrom([]int64{8080, 8080, 8080, 9090, 443, 65535, 0, 70000})
	protocols = rapid.SampledFrom([]appmeshv1beta2.PortProtocol{"http", "http", "http2", "grpc", "tcp", "udp"})
	weights   = rapid.SampledFrom([]int64{0, 1, 5, 95, 100, 100, -1, 1 << 40})
	priority  = rapid.SampledFrom([]int64{0, 10, 1000, -5})
)

var arns = rapid.Custom(func(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "arn:aws:appmesh:r:1:", "arn:"}).Draw(t, "start") + "mesh/" + odd.Draw(t, "mesh") + "/" +
		rapid.SampledFrom([]string{"virtualNode/", "virtualService/", ""}).Draw(t, "arn kind") + odd.Draw(t, "arn name")
})

var healthChecks = rapid.Custom(func(t *rapid.T) appmeshv1beta2.HealthCheckPolicy {
	number := rapid.SampledFrom([]int64{2, 5, 10, 5000, 6000, 0, -1, 1 << 40})
	return appmeshv1beta2.HealthCheckPolicy{
		HealthyThreshold: rapid.Int64Range(1, 4).Draw(t, "healthy"), UnhealthyThreshold: rapid.Int64Range(1, 4).Draw(t, "unhealthy"),
		IntervalMillis: rapid.OneOf(rapid.Just[int64](5000), number).Draw(t, "interval"), TimeoutMillis: rapid.OneOf(rapid.Just[int64](2000), number).Draw(t, "timeout"),
		Protocol: protocols.Draw(t, "check protocol"), Path: maybe(t, paths, "check path"), Port: maybe(t, ports, "check port"),
	}
})

var (
	durations = rapid.Custom(func(t *rapid.T) appmeshv1beta2.Duration {
		return appmeshv1beta2.Duration{
			Unit:  rapid.SampledFrom([]appmeshv1beta2.DurationUnit{"s", "s", "ms", "h"}).Draw(t, "unit"),
			Value: rapid.SampledFrom([]int64{1, 5, 1000, 0, -1, 1 << 33, 1 << 62}).Draw(t, "value"),
		}
	})
	outliers = rapid.Custom(func(t *rapid.T) appmeshv1beta2.OutlierDetection {
		return appmeshv1beta2.OutlierDetection{
			MaxServerErrors: weights.Draw(t, "errors"), MaxEjectionPercent: weights.Draw(t, "percent"),
			Interval: durations.Draw(t, "sweep"), BaseEjectionDuration: durations.Draw(t, "ejection"),
		}
	})
	pools = rapid.Custom(func(t *rapid.T) appmeshv1beta2.VirtualNodeConnectionPool {
		return appmeshv1beta2.VirtualNodeConnectionPool{
			TCP: maybe(t, rapid.Map(weights, func(n int64) appmeshv1beta2.TCPConnectionPool {
				return appmeshv1beta2.TCPConnectionPool{MaxConnections: n}
			}), "tcp"),
			HTTP: maybe(t, httpPools, "http"),
			HTTP2: maybe(t, rapid.Map(weights, func(n int64) appmeshv1beta2.HTTP2ConnectionPool {
				return appmeshv1beta2.HTTP2ConnectionPool{MaxRequests: n}
			}), "http2"),
			GRPC: maybe(t, rapid.Map(weights, func(n int64) appmeshv1beta2.GRPCConnectionPool {
				return appmeshv1beta2.GRPCConnectionPool{MaxRequests: n}
			}), "grpc"),
		}
	})
	httpPools = rapid.Custom(func(t *rapid.T) appmeshv1beta2.HTTPConnectionPool {
		return appmeshv1beta2.HTTPConnectionPool{MaxConnections: weights.Draw(t, "connections"), MaxPendingRequests: maybe(t, weights, "pending")}
	})
)

func maybe[T any](t *rapid.T, g *rapid.Generator[T], label string) *T {
	if !rapid.Bool().Draw(t, label+"?") {
		return nil
	}
	v := g.Draw(t, label)
	return &v
}

func several(t *rapid.T, label string, f func()) {
	for range rapid.IntRange(0, 3).Draw(t, label) {
		f()
	}
}

func metas(t *rapid.T, kind string, i int) metav1.ObjectMeta {
	// The index keeps names unique within a kind, as an API server does.
	pool := []string{"a", "b", "c"}
	out := metav1.ObjectMeta{Name: pool[i%3], Namespace: []string{"n1", "n2"}[i/3%2]}
	if rapid.Bool().Draw(t, kind+" created") {
		out.CreationTimestamp = metav1.NewTime(time.Unix(int64(rapid.IntRange(0, 3).Draw(t, "age")), 0).UTC())
	}
	return out
}

func snapshots(t *rapid.T) mesh.Snapshot {
	s := mesh.Snapshot{
		Namespaces: []*corev1.Namespace{
			{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"in": "m1"}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "n2", Labels: map[string]string{"in": "m1", "also": "m2"}}},
		},
		Meshes: []*appmeshv1beta2.Mesh{
			{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: appmeshv1beta2.MeshSpec{AWSName: maybe(t, odd, "mesh name"), NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"in": "m1"}}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "m2"}, Spec: appmeshv1beta2.MeshSpec{NamespaceSelector: maybe(t, rapid.Just(metav1.LabelSelector{MatchLabels: map[string]string{"also": "m2"}}), "second mesh")}},
		},
	}
	if rapid.Bool().Draw(t, "allow all") {
		s.Meshes[0].Spec.EgressFilter = &appmeshv1beta2.EgressFilter{Type: appmeshv1beta2.EgressFilterTypeAllowAll}
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "nodes") {
		s.VirtualNodes = append(s.VirtualNodes, node(t, i))
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "services") {
		s.VirtualServices = append(s.VirtualServices, service(t, i))
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "routers") {
		s.VirtualRouters = append(s.VirtualRouters, router(t, i))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "gateways") {
		s.VirtualGateways = append(s.VirtualGateways, gateway(t, i))
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "routes") {
		s.GatewayRoutes = append(s.GatewayRoutes, gatewayRoute(t, i))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "kube services") {
		svc := &corev1.Service{ObjectMeta: metas(t, "svc", i)}
		svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: int32(ports.Draw(t, "svc port"))}}
		svc.Spec.Selector = map[string]string{"app": svc.Name}
		s.Services = append(s.Services, svc)
		s.EndpointSlices = append(s.EndpointSlices, &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: svc.Name, Namespace: svc.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: svc.Name}},
			AddressType: rapid.SampledFrom([]discoveryv1.AddressType{"IPv4", "IPv6", "FQDN"}).Draw(t, "address type"),
			Ports:       []discoveryv1.EndpointPort{{Name: maybe(t, rapid.Just("http"), "port name"), Port: maybe(t, rapid.SampledFrom([]int32{0, 8080, -1}), "port")}},
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{rapid.SampledFrom([]string{"10.0.0.1", "nonsense", "fd00::1"}).Draw(t, "ip")}, Conditions: discoveryv1.EndpointConditions{Ready: maybe(t, rapid.Bool(), "ready")}}},
		})
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "pods") {
		p := &mesh.Pod{ObjectMeta: metas(t, "pod", i), Ready: rapid.Bool().Draw(t, "pod ready")}
		p.Labels = map[string]string{"app": names.Draw(t, "app")}
		p.DeletionTimestamp = maybe(t, rapid.Just(metav1.Now()), "deleted")
		several(t, "pod ips", func() {
			p.IPs = append(p.IPs, rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "nonsense", "fd00::1", ""}).Draw(t, "pod ip"))
		})
		s.Pods = append(s.Pods, p)
	}
	return s
}

func mapping(t *rapid.T) appmeshv1beta2.PortMapping {
	return appmeshv1beta2.PortMapping{Port: ports.Draw(t, "port"), Protocol: protocols.Draw(t, "protocol")}
}

func node(t *rapid.T, i int) *appmeshv1beta2.VirtualNode {
	n := &appmeshv1beta2.VirtualNode{ObjectMeta: metas(t, "node", i)}
	n.Spec.AWSName = maybe(t, odd, "node name")
	several(t, "listeners", func() {
		n.Spec.Listeners = append(n.Spec.Listeners, appmeshv1beta2.Listener{
			PortMapping: mapping(t), HealthCheck: maybe(t, healthChecks, "health check"),
			OutlierDetection: maybe(t, outliers, "outliers"), ConnectionPool: maybe(t, pools, "pool"),
			TLS: listenerTLS(t),
		})
	})
	host := rapid.OneOf(odd, rapid.Just(n.Name+"."+n.Namespace+".svc.cluster.local"), usual).Draw(t, "hostname")
	n.Spec.ServiceDiscovery = maybe(t, rapid.Just(appmeshv1beta2.ServiceDiscovery{DNS: &appmeshv1beta2.DNSServiceDiscovery{Hostname: host}}), "discovery")
	if rapid.Bool().Draw(t, "cloud map") {
		n.Spec.PodSelector = maybe(t, rapid.Just(metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}), "pod selector")
		n.Spec.ServiceDiscovery = &appmeshv1beta2.ServiceDiscovery{AWSCloudMap: &appmeshv1beta2.AWSCloudMapServiceDiscovery{
			NamespaceName: odd.Draw(t, "cloud map namespace"), ServiceName: names.Draw(t, "cloud map service"),
		}}
		several(t, "attributes", func() {
			n.Spec.ServiceDiscovery.AWSCloudMap.Attributes = append(n.Spec.ServiceDiscovery.AWSCloudMap.Attributes, appmeshv1beta2.AWSCloudMapInstanceAttribute{
				Key: rapid.SampledFrom([]string{"app", "k8s.io/pod", "k8s.io/namespace", "AWS_INSTANCE_PORT", "x", "REGION"}).Draw(t, "key"), Value: odd.Draw(t, "value"),
			})
		})
	}
	several(t, "backends", func() {
		n.Spec.Backends = append(n.Spec.Backends, appmeshv1beta2.Backend{VirtualService: appmeshv1beta2.VirtualServiceBackend{
			VirtualServiceRef: maybe(t, rapid.Just(appmeshv1beta2.VirtualServiceReference{Name: names.Draw(t, "backend"), Namespace: maybe(t, spaces, "backend namespace")}), "ref"),
			VirtualServiceARN: maybe(t, arns, "service arn"), ClientPolicy: clientPolicy(t),
		}})
	})
	n.Spec.BackendDefaults = &appmeshv1beta2.BackendDefaults{ClientPolicy: clientPolicy(t)}
	if rapid.Bool().Draw(t, "all backends") {
		n.Spec.BackendGroups = []appmeshv1beta2.BackendGroupReference{{Name: "*"}}
	}
	return n
}

func service(t *rapid.T, i int) *appmeshv1beta2.VirtualService {
	v := &appmeshv1beta2.VirtualService{ObjectMeta: metas(t, "service", i)}
	v.Spec.AWSName = maybe(t, odd, "service name")
	if rapid.Bool().Draw(t, "exposed") {
		v.Annotations = map[string]string{
			appmeshv1beta2.AnnotationGatewayExpose: "true", appmeshv1beta2.AnnotationGatewayDomain: odd.Draw(t, "domain") + "," + odd.Draw(t, "domain"),
			appmeshv1beta2.AnnotationGatewayTimeout: odd.Draw(t, "timeout"), appmeshv1beta2.AnnotationGatewayRetries: "3",
		}
		for _, key := range []string{"primary", "canary", "canary-weight"} {
			if text := maybe(t, rapid.OneOf(names, odd, rapid.SampledFrom([]string{"a-8080", "b.n1", "30", "101"})), key); text != nil {
				v.Annotations["gateway.appmesh.k8s.aws/"+key] = *text
			}
		}
	}
	v.Spec.Provider = &appmeshv1beta2.VirtualServiceProvider{}
	if rapid.Bool().Draw(t, "by router") {
		v.Spec.Provider.VirtualRouter = &appmeshv1beta2.VirtualRouterServiceProvider{VirtualRouterRef: &appmeshv1beta2.VirtualRouterReference{Name: names.Draw(t, "router")}}
	} else {
		v.Spec.Provider.VirtualNode = &appmeshv1beta2.VirtualNodeServiceProvider{VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: names.Draw(t, "node")}}
	}
	return v
}

func router(t *rapid.T, i int) *appmeshv1beta2.VirtualRouter {
	v := &appmeshv1beta2.VirtualRouter{ObjectMeta: metas(t, "router", i)}
	several(t, "listeners", func() {
		v.Spec.Listeners = append(v.Spec.Listeners, appmeshv1beta2.VirtualRouterListener{PortMapping: mapping(t)})
	})
	several(t, "routes", func() {
		var targets []appmeshv1beta2.WeightedTarget
		several(t, "targets", func() {
			targets = append(targets, appmeshv1beta2.WeightedTarget{
				VirtualNodeRef: maybe(t, rapid.Just(appmeshv1beta2.VirtualNodeReference{Name: names.Draw(t, "target"), Namespace: maybe(t, spaces, "target namespace")}), "target ref"),
				VirtualNodeARN: maybe(t, arns, "node arn"), Weight: weights.Draw(t, "weight"), Port: maybe(t, ports, "target port"),
			})
		})
		r := appmeshv1beta2.Route{Name: names.Draw(t, "route"), Priority: maybe(t, priority, "priority")}
		switch rapid.IntRange(0, 3).Draw(t, "route kind") {
		case 0:
			r.TCPRoute = &appmeshv1beta2.TCPRoute{Action: appmeshv1beta2.TCPRouteAction{WeightedTargets: targets}}
		case 1:
			r.GRPCRoute = &appmeshv1beta2.GRPCRoute{Match: appmeshv1beta2.GRPCRouteMatch{ServiceName: maybe(t, odd, "grpc")}, Action: appmeshv1beta2.GRPCRouteAction{WeightedTargets: targets}}
		default:
			r.HTTPRoute = &appmeshv1beta2.HTTPRoute{Match: routeMatch(t), Action: appmeshv1beta2.HTTPRouteAction{WeightedTargets: targets}}
		}
		v.Spec.Routes = append(v.Spec.Routes, r)
	})
	return v
}

func routeMatch(t *rapid.T) appmeshv1beta2.HTTPRouteMatch {
	m := appmeshv1beta2.HTTPRouteMatch{Method: maybe(t, odd, "method"), Port: maybe(t, ports, "match port")}
	m.Prefix, m.Path = pathOrPrefix(t)
	several(t, "headers", func() {
		m.Headers = append(m.Headers, appmeshv1beta2.HTTPRouteHeader{Name: odd.Draw(t, "header"), Match: &appmeshv1beta2.HeaderMatchMethod{Exact: maybe(t, odd, "header exact"), Regex: maybe(t, odd, "header regex")}})
	})
	return m
}

func pathOrPrefix(t *rapid.T) (*string, *appmeshv1beta2.HTTPPathMatch) {
	value := paths.Draw(t, "path")
	switch rapid.IntRange(0, 5).Draw(t, "path kind") {
	case 0:
		return nil, &appmeshv1beta2.HTTPPathMatch{Exact: &value}
	case 1:
		return nil, &appmeshv1beta2.HTTPPathMatch{Regex: &value}
	case 2:
		return maybe(t, paths, "prefix"), &appmeshv1beta2.HTTPPathMatch{}
	default:
		return &value, nil
	}
}

func gateway(t *rapid.T, i int) *appmeshv1beta2.VirtualGateway {
	v := &appmeshv1beta2.VirtualGateway{ObjectMeta: metas(t, "gateway", i)}
	v.Spec.NamespaceSelector = maybe(t, rapid.Just(metav1.LabelSelector{}), "selector")
	several(t, "listeners", func() {
		v.Spec.Listeners = append(v.Spec.Listeners, appmeshv1beta2.VirtualGatewayListener{
			PortMapping:    appmeshv1beta2.VirtualGatewayPortMapping(mapping(t)),
			ConnectionPool: &appmeshv1beta2.VirtualGatewayConnectionPool{HTTP: maybe(t, httpPools, "gateway pool")},
			TLS:            listenerTLS(t),
		})
	})
	v.Spec.BackendDefaults = &appmeshv1beta2.BackendDefaults{ClientPolicy: clientPolicy(t)}
	return v
}

func gatewayRoute(t *rapid.T, i int) *appmeshv1beta2.GatewayRoute {
	v := &appmeshv1beta2.GatewayRoute{ObjectMeta: metas(t, "gateway route", i)}
	v.Spec.VirtualGatewayRef = maybe(t, rapid.Just(appmeshv1beta2.VirtualGatewayReference{Name: "a"}), "gateway ref")
	h := &appmeshv1beta2.HTTPGatewayRoute{}
	h.Match.Prefix, h.Match.Path = pathOrPrefix(t)
	if rapid.Bool().Draw(t, "by host") {
		h.Match.Hostname = &appmeshv1beta2.GatewayRouteHostnameMatch{Exact: maybe(t, odd, "host"), Suffix: maybe(t, odd, "suffix")}
	}
	if rapid.Bool().Draw(t, "rewrite") {
		h.Action.Rewrite = &appmeshv1beta2.HTTPGatewayRouteRewrite{}
		if to := maybe(t, paths, "rewrite to"); to != nil && h.Match.Prefix != nil {
			h.Action.Rewrite.Prefix = &appmeshv1beta2.GatewayRoutePrefixRewrite{Value: to}
		} else if to != nil {
			h.Action.Rewrite.Path = &appmeshv1beta2.GatewayRoutePathRewrite{Exact: to}
		}
	}
	h.Action.Target.VirtualService.VirtualServiceRef = &appmeshv1beta2.VirtualServiceReference{Name: names.Draw(t, "service"), Namespace: maybe(t, spaces, "service namespace")}
	v.Spec.HTTPRoute = h
	return v
}
