package fleet

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Pod is whom a simulated sidecar stands for.
type Pod struct {
	Namespace, Name string
	// Token is the pod's service-account token.
	Token string
}

// Proxy is a simulated sidecar.
type Proxy struct {
	Pod Pod
	// Heard is called for every response after it was acknowledged.
	Heard func(Pod, *discoveryv3.DeltaDiscoveryResponse)

	// Load is what the proxy counts of a cluster between two reports, if it has to report; nil counts nothing.
	Load func(cluster string) *endpointv3.UpstreamLocalityStats

	// node is the recorded node.
	node *corev3.Node
	// owed are the wildcard subscriptions that are still to be made, keyed as Recording.wildcards.
	owed   map[string]*discoveryv3.DeltaDiscoveryRequest
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	// subscribed are, by type, the names that were asked for.
	subscribed map[string]map[string]bool
}

// NewProxy returns a sidecar that talks as the recorded Envoy did.
func NewProxy(recording Recording, pod Pod) *Proxy {
	return &Proxy{Pod: pod, node: recording[0].GetNode(), owed: recording.wildcards(), subscribed: map[string]map[string]bool{}}
}

// window is the flow-control window of a simulated connection. gRPC's default buffers, times ten thousand, would be
// most of what the machine has.
const window = 64 << 10

// Run connects and talks until ctx is done or the stream ends. connected is called once, before the first request.
func (p *Proxy) Run(ctx context.Context, address string, config *tls.Config, connected func()) error {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithInitialWindowSize(window), grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(4<<10),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return fmt.Errorf("connect %s: %w", p.Pod.Name, err)
	}
	defer conn.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+p.Pod.Token)
	// A server that is busy with others may miss its time to shake hands; an Envoy tries again.
	p.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("open the stream of %s: %w", p.Pod.Name, err)
	}
	if connected != nil {
		connected()
	}
	var reporting sync.WaitGroup
	reporting.Go(func() { _ = p.report(ctx, conn) }) // it ends with the connection
	defer func() {
		conn.Close()
		reporting.Wait()
	}()
	if err := p.subscribeAll(""); err != nil {
		return fmt.Errorf("greet for %s: %w", p.Pod.Name, err)
	}
	for {
		response, err := p.stream.Recv()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listen for %s: %w", p.Pod.Name, err)
		}
		if err := p.answer(response); err != nil {
			return fmt.Errorf("answer for %s: %w", p.Pod.Name, err)
		}
		if p.Heard != nil {
			p.Heard(p.Pod, response)
		}
	}
}

// subscribeAll makes the wildcard subscription that follows the acknowledgement of a type, if there is one.
func (p *Proxy) subscribeAll(acknowledged string) error {
	request := p.owed[acknowledged]
	if request == nil {
		return nil
	}
	delete(p.owed, acknowledged)
	if request.GetNode() != nil {
		// The recorded node, of which only the name is somebody else's.
		request = proto.CloneOf(request)
		request.Node.Id = p.Pod.Name + "." + p.Pod.Namespace
	}
	return p.stream.Send(request)
}

// answer asks for what the response's resources name, then acknowledges it: an Envoy first takes what it was given,
// which makes it ask, and acknowledges when it has taken all.
func (p *Proxy) answer(response *discoveryv3.DeltaDiscoveryResponse) error {
	for _, ask := range wanted(response) {
		if err := p.subscribe(ask.typeURL, ask.names); err != nil {
			return err
		}
	}
	if err := p.stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: response.GetTypeUrl(), ResponseNonce: response.GetNonce()}); err != nil {
		return err
	}
	return p.subscribeAll(response.GetTypeUrl())
}

func (p *Proxy) subscribe(typeURL string, names []string) error {
	if p.subscribed[typeURL] == nil {
		p.subscribed[typeURL] = map[string]bool{}
	}
	request := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL}
	for _, name := range names {
		if !p.subscribed[typeURL][name] {
			p.subscribed[typeURL][name] = true
			request.ResourceNamesSubscribe = append(request.ResourceNamesSubscribe, name)
		}
	}
	if len(request.GetResourceNamesSubscribe()) == 0 {
		return nil
	}
	return p.stream.Send(request)
}

// want is a type and the names of it that somebody needs.
type want struct {
	typeURL string
	names   []string
}

// wants remembers what bodies name, because a thousand proxies get the same hundred bodies. An Envoy would parse each;
// here that would be the benchmark's own cost, not the control plane's.
var wants sync.Map

// wanted reads what a response's resources depend on.
func wanted(response *discoveryv3.DeltaDiscoveryResponse) []want {
	byType := map[string][]string{}
	for _, r := range response.GetResources() {
		key := [2]string{r.GetName(), r.GetVersion()}
		found, ok := wants.Load(key)
		if !ok {
			found = dependencies(r)
			wants.Store(key, found)
		}
		for _, w := range found.([]want) {
			byType[w.typeURL] = append(byType[w.typeURL], w.names...)
		}
	}
	var out []want
	for typeURL, names := range byType {
		slices.Sort(names)
		out = append(out, want{typeURL, names})
	}
	return out
}

// dependencies reads the endpoints of a cluster and the route tables of a listener.
func dependencies(r *discoveryv3.Resource) []want {
	switch r.GetResource().GetTypeUrl() {
	case resourcev3.ClusterType:
		cluster := &clusterv3.Cluster{}
		if r.GetResource().UnmarshalTo(cluster) == nil && cluster.GetType() == clusterv3.Cluster_EDS {
			return []want{{resourcev3.EndpointType, []string{cluster.GetName()}}}
		}
	case resourcev3.ListenerType:
		listener := &listenerv3.Listener{}
		if r.GetResource().UnmarshalTo(listener) == nil {
			return []want{{resourcev3.RouteType, routeTables(listener)}}
		}
	}
	return nil
}

func routeTables(l *listenerv3.Listener) []string {
	var out []string
	for _, chain := range l.GetFilterChains() {
		for _, filter := range chain.GetFilters() {
			if rds := resourcev3.GetHTTPConnectionManager(filter).GetRds(); rds != nil {
				out = append(out, rds.GetRouteConfigName())
			}
		}
	}
	return out
}
